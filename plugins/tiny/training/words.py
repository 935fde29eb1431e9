"""Common English for the tokenizer, so that words which no scene uses do not fall apart into letters."""

from __future__ import annotations

COMMON_TEXT = """
the be to of and a in that have it for not on with he as you do at this but his by from they we say her she
or an will my one all would there their what so up out if about who get which go me when make can like time
no just him know take people into year your good some could them see other than then now look only come its
over think also back after use two how our work first well way even new want because any these give day most
us is are was were has had been being did does done said made went got where why here very much many more
little long great small large old young same own still such through before between under while last never
always often again against both each few high low part place case week hand eye life world house water food
head side light night day home room door street city country school student teacher child children man woman
men women family friend mother father dog cat bird fish car tree sun moon sky book page word line number
letter name story game play read write draw paint color colour paper photo photograph camera screen text
code model data file list table test run start stop open close help find show tell ask answer question
explain compare count please sentence short simple big left right top bottom center middle behind front near
far next above below inside outside around near brown gold silver grey dark bright light round flat thin
thick hot cold fast slow ok okay yes no not hello thanks maybe really should must may might let us try keep
put set move turn change grow one two three four five six seven eight nine ten hundred thousand first second
third half whole every another Describe What Which Where Who When Why How Please Tell Is Are Do Does Can
Could Would Write List Compare Explain
"""
