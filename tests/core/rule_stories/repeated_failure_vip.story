attributes tier=vip

fires one sign earlier for a VIP
4 customer: The code doesn't work.
9 customer: The second code is invalid as well.
> misunderstood alerts: Had to repeat or correct twice “doesn't work” “second code”
> repeated_failure alerts: Misunderstood twice “doesn't work” “second code”
> repeated_failure calls a person

does not fire
4 customer: The code doesn't work.
9 customer: Ah, now it went through.
