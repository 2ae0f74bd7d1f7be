fires
4 customer: Hello, a quick one today. [sentiment 2]
9 customer: What do you mean, it was sent to the old house? [sentiment -3]
> mood_fell alerts: The mood has turned “What do you mean, it was sent to the old house?”

does not fire
4 customer: Hello, a quick one today. [sentiment 2]
9 customer: Not quite what I hoped for. [sentiment -1.5]

clears
4 customer: Hello, a quick one today. [sentiment 2]
9 customer: What do you mean, it was sent to the old house? [sentiment -3]
> mood_fell alerts: The mood has turned “What do you mean, it was sent to the old house?”
14 customer: Right, so it comes here after all. [sentiment 2]
> mood_fell is cleared: it has become better
