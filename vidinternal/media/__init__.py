"""Files to frames and back: the only importer of av, decord and scenedetect."""
