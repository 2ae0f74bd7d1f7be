fires
4 ai: Reviews can take up to ten working days.
9 customer: It was under review last Thursday too. [escalation 0.4]
14 ai: You will get a letter once the review is done.
19 customer: A letter is no use to us. [escalation 0.9]
> needs_person alerts: Needs a person soon “A letter is no use to us.” “no use to” “can take up to” “You will get a letter”
> needs_person calls a person

does not fire on the model's word alone
9 customer: It is about the parcel, number twelve. [escalation 0.9]

clears
4 customer: It still says no. [escalation 0.9]
> needs_person alerts: Needs a person soon “It still says no.” “still says”
> needs_person calls a person
9 ai: I have changed it now.
14 customer: Oh, that works. Thank you. [escalation 0.1]
> needs_person is cleared: it has become better

fires on confusion that the scorer hears
9 customer: I've lost it. Is that the whole lot in April, then? [confusion 0.9] [escalation 0.8]
> needs_person alerts: Needs a person soon “I've lost it. Is that the whole lot in April, then?” “I've lost it. Is that the whole lot in April, then?”
> needs_person calls a person

does not fire on a mild dislike, twice
4 customer: Monday's dead for me. [sentiment -1.7] [escalation 0.2]
9 customer: I was called in. [sentiment -2.2] [escalation 0.8]

fires where the scorer hears that he is displeased, whatever his words
9 customer: You agree with me every time, and every time it's the other one. [sentiment -2.5] [dissatisfied 0.9] [escalation 0.8]
> needs_person alerts: Needs a person soon “You agree with me every time, and every time it's the other one.”
> needs_person calls a person
