// Usage: node validate.mjs FILE. Exit 1 where AsyncAPI's own parser finds an error or a warning.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const WARNING = 1; // 0 is an error; 2 and 3 are advice, such as that of a newer AsyncAPI version

const file = process.argv[2];
const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
for (const found of diagnostics) {
  console.log(`${["error", "warning", "info", "hint"][found.severity]}: ${found.message} (at ${found.path.join(".")})`);
}
const valid = document !== undefined && diagnostics.every((found) => found.severity > WARNING);
console.log(`${file}: ${valid ? "valid" : "not valid"}`);
process.exit(valid ? 0 : 1);
