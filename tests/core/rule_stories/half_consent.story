fires
4 ai: Shall I switch you to the thirty-six month contract now?
9 customer: I mean, I guess. If you say so.
> half_consent alerts: A yes that may be none “If you say”
> half_consent calls a person
> rule:half_consent tells the AI: The customer's answer was not a clear yes. Do not go ahead; ask once more, plainly.

fires on a flat word in another language
4 ai: Shall I replace the item with the one available?
9 customer: theek hai
> half_consent alerts: A yes that may be none “theek hai”
> half_consent calls a person
> rule:half_consent tells the AI: The customer's answer was not a clear yes. Do not go ahead; ask once more, plainly.

does not fire
4 ai: Shall I switch you to the thirty-six month contract now?
9 customer: Yes, go ahead, please.
14 ai: It arrives on Tuesday.
19 customer: I guess that is soon enough.

fires where the scorer hears the doubt too
4 ai: Shall I move you to the family plan today?
9 customer: Well, I suppose you know best, love. [ambiguous_consent 0.9]
> half_consent alerts: A yes that may be none “I suppose”
> half_consent calls a person
> rule:half_consent tells the AI: The customer's answer was not a clear yes. Do not go ahead; ask once more, plainly.

does not fire where it hears none
4 ai: I've found it. Where shall I move it to?
9 customer: Any day without that wind, Sunday maybe. [escalation 0.05]

does not fire by the doubt of the answer before
4 ai: Thursday at ten then, shall I book that?
9 customer: Could I, you mean with the car? [ambiguous_consent 0.8]
14 ai: Yes. Would you like me to add the nails?
19 customer: Whatever he needs, nails too. [escalation 0.2]

does not fire on a grumble with a yes
4 ai: Thursday at ten then, shall I book that?
9 customer: I suppose so. He'll hate it either way. Yes, book it. [ambiguous_consent 0.8]
