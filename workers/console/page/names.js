// Names for people who are made up.
const NAMES = 'aria bruno clara dario elin felix greta hugo ines jonas kira luca mira nils olive pablo quinn runa sami tessa uma vera wim xenia yara zeno'.split(' ');
const pick = () => NAMES[Math.floor(Math.random() * NAMES.length)];

/** With a number, as long as it is not known which names are taken. */
export function invented(taken = null) {
  let made = taken ? pick() : '';
  while (!made || taken?.has(made)) made = `${pick()}-${Math.floor(Math.random() * 900) + 100}`;
  return made;
}
