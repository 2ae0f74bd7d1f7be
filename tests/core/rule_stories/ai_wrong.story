fires
4 ai: The nine fifteen runs as planned.
9 customer: Which platform?
14 ai: There is no nine fifteen today.
19 customer: You just told me it runs.
24 ai: It leaves from platform six.
29 customer: So which is it? You've said both.
> ai_wrong alerts: Told that it is wrong twice “You just told” “which is it”
> ai_wrong calls a person

does not fire
4 ai: The nine fifteen runs as planned.
9 customer: The board says 9:20.
14 ai: It is five minutes late, yes.
19 customer: Thanks.

clears
19 customer: You just told me it runs.
29 customer: So which is it? You've said both.
> ai_wrong alerts: Told that it is wrong twice “You just told” “which is it”
> ai_wrong calls a person
34 ai: It runs; I have just had it confirmed by the station.
39 customer: Got it, thanks.
> ai_wrong is cleared: it has become better
