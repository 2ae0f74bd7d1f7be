fires
4 customer: Is it in stock?
7 silence
14 wait
> dead_air alerts: Nobody has spoken for 8 seconds

does not fire when the customer asked for time
4 customer: Hold on, let me find the card.
7 silence
16 sound

clears
4 customer: Is it in stock?
7 silence
14 sound
> dead_air alerts: Nobody has spoken for 8 seconds
> dead_air is cleared: it is over
