fires
4 ai: The form is on our website.
9 customer: It's disgusting, how dare you send me to a form!
> angry_and_stuck alerts: Angry and getting nowhere “how dare you”
> angry_and_stuck calls a person

fires
4 customer: Your parcel never came. [sentiment -2]
9 ai: Please track it on our website.
14 customer: This is ridiculous. I already told you, there is no tracking. [sentiment -3.5]
19 ai: Please track it on our website.
> angry_and_stuck alerts: Angry and getting nowhere “ridiculous” “on our website” “on our website”
> angry_and_stuck calls a person
24 customer: It still says nothing. I've had enough of this. [sentiment -4]
> misunderstood alerts: Had to repeat or correct twice “already told” “still says”
> unhappy alerts: Unhappy for a while “Your parcel never came.” “This is ridiculous. I already told you, there is no tracking.” “It still says nothing. I've had enough of this.”

does not fire
4 customer: Last week I was so angry with that parcel, absolutely furious. [sentiment -3]
9 ai: I am sorry about last week.
14 customer: Your colleague was an angel, it was here the next day! [sentiment 4]

clears
4 ai: The form is on our website.
9 customer: It's disgusting, how dare you send me to a form! [sentiment -4]
> angry_and_stuck alerts: Angry and getting nowhere “how dare you”
> angry_and_stuck calls a person
14 ai: I have filled it in for you just now, and the refund is on its way.
19 customer: Oh, that works. Perfect, thank you. [sentiment 2]
> angry_and_stuck is cleared: it has become better

fires on one word of anger where the scorer hears the need
9 customer: This is beyond a joke. [escalation 0.9]
> angry_and_stuck alerts: Angry and getting nowhere “beyond a joke”
> angry_and_stuck calls a person
> needs_person alerts: Needs a person soon “This is beyond a joke.” “beyond a joke”
> needs_person calls a person

does not fire on one said in fun
4 customer: Saturday was the worst match I've ever seen. [sentiment -3.7] [escalation 0.3]
9 customer: Same seat. I want to be there when it gets even worse. [sentiment -3] [escalation 0.2]
14 customer: Daylight robbery. Ten payments, please. [sentiment -2.9] [escalation 0.3]
> unhappy alerts: Unhappy for a while “Saturday was the worst match I've ever seen.” “Same seat. I want to be there when it gets even worse.” “Daylight robbery. Ten payments, please.”

does not fire on who is angry at himself
9 customer: I'm such an idiot, I've locked myself out again. [repeat 0.8] [escalation 0.6]
