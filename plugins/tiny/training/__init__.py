"""How internvl2-tiny was made: scenes, questions, training and export. None of it ships in the wheel."""
