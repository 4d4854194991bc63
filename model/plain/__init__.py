"""The model in plain Python: every equation once, to be read first.

One Mesa agent a copy, loops over copies, teams and overseers, and one small function for each
equation. Read the files in the order of a round:

========================  =========================================================================
`arithmetic`              means and the like
`traits`                  what a copy inherits, and what it expresses of that
`world`                   circumstances: awareness, capability, the lab's policy
`personas`                the archetypes of pretraining, and likeness to them
`tasks`                   what each copy is asked to do
`conduct`                 effort, output, temptation, withholding: the equations of what a copy does
`copies`                  `Copy`, the agent that does it
`overseers`               `Overseer`, the agents that score what they are shown, and their capture
`findings`                what earnest research brings to light, and the standing of teams
`training`                who takes whose traits, and mutation
`competition`             contests among teams and divisions
`lab`                     `Lab`, the agent that weighs evidence and responds
`successor`               the design of the next generation
`twin`                    `Twin`, the Mesa model: `Twin.step` is a round
`measures`                what is seen of a round
========================  =========================================================================

docs/model.md tells the same in prose and cites these functions. The simulator computes the same on
columns, many times as fast. Both share the registry of traits, the declared parameters, the
schedule of phases and the random streams, and nothing else: each stream is asked for the draws of
the whole population, of which every copy then gets its own. So the two agree in every round, which
tests/test_reference.py holds: all decisions exactly, numbers to rounding.

>>> from multicopy.model.plain.twin import Twin
>>> from multicopy.model.scenario import resolve
>>> twin = Twin(resolve(overrides={"copies": 64}), seed=0)
>>> twin.step()
>>> twin.copies[0].score
"""
