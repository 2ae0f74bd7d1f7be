fires
9 customer: I can't afford it, I've been sitting here with the heating off.
> vulnerable alerts: May need special care “can't afford”
> vulnerable calls a person

fires when the answers pass it by
4 customer: My late payment, yes. I was in hospital all of May.
9 ai: I understand. You can pay in our app.
14 ai: Is there anything else I can help with?
> vulnerable alerts: May need special care “in hospital” “I understand” “Is there anything else”
> vulnerable calls a person

does not fire
9 customer: Nobody has died, I am just changing my name. It's dead easy, I hear.
14 customer: My phone died on the train.
