fires
4 ai: Open the settings and pair the bridge.
9 customer: What does that mean?
14 ai: Pair the bridge in the settings.
19 customer: I don't know what that is. I'm lost, which button?
> confused alerts: The customer does not follow “What does that mean” “don't know what that”
> lost alerts: Did not follow twice “don't know what that” “What does that mean”
> lost calls a person

does not fire
4 ai: Open the settings and pair the bridge.
9 customer: What does that mean?
14 ai: Press the round button until it blinks.
19 customer: It blinks. Perfect.

clears
9 customer: What does that mean?
14 customer: I don't understand.
> confused alerts: The customer does not follow “What does that mean” “don't understand”
19 customer: I'm lost.
> lost alerts: Did not follow 3 times “What does that mean” “don't understand” “I'm lost”
> lost calls a person
24 ai: Press the round button, that is all.
29 customer: Oh good, found it.
> confused is cleared: it has become better
> lost is cleared: it has become better
