fires
4 customer: Is it in stock?
7 silence
20 wait
> dead_air alerts: Nobody has spoken for 8 seconds
> long_dead_air alerts: Nobody has spoken for 12 seconds
> long_dead_air calls a person

fires when the customer asks whether anybody is there
4 ai: One moment, please.
21 customer: Hello?
26 ai: One moment, please.
45 customer: Hello? Are you still there?
> long_dead_air alerts: Nobody has spoken for 0 seconds “Hello” “Are you still there”
> long_dead_air calls a person

does not fire
4 customer: Hold on, let me find the card.
7 silence
30 sound
> dead_air alerts: Nobody has spoken for 15 seconds
> dead_air is cleared: it is over

clears
4 customer: Is it in stock?
7 silence
20 sound
> dead_air alerts: Nobody has spoken for 8 seconds
> long_dead_air alerts: Nobody has spoken for 12 seconds
> long_dead_air calls a person
> dead_air is cleared: it is over
> long_dead_air is cleared: it is over
