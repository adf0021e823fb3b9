"""Raw media to arrays: text, images, audio and video, as encoders take them.

Import from the module of the modality: a process that decodes images need not load FFmpeg.
"""
