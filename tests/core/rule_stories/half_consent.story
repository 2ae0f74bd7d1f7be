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
