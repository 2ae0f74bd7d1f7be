fires
4 ai: I think it might be on Tuesday.
9 customer: Might be?
14 ai: I'm not entirely sure, perhaps on Wednesday.
> ai_unsure alerts: The AI is not sure of its answers “I think it” “I'm not entirely sure”

does not fire
4 ai: I think it might be on Tuesday.
9 customer: Can you check?
14 ai: It is on Tuesday at nine.

clears
4 ai: I think it might be on Tuesday.
14 ai: I'm not entirely sure, perhaps on Wednesday.
> ai_unsure alerts: The AI is not sure of its answers “I think it” “I'm not entirely sure”
20 ai: I have checked: it is on Wednesday at nine.
24 ai: Your engineer is called Ali.
100 wait
> ai_unsure is cleared: it is over
