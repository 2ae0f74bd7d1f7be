fires
4 ai: How can I help?
9 customer: Español, por favor. No hablo bien inglés.
> language_mismatch alerts: Another language is needed “No hablo bien inglés”
> language_mismatch calls a person

fires when it is spoken on and on
4 ai: How can I help?
9 customer: Mi teléfono no funciona desde ayer.
14 ai: Sorry, I didn't catch that.
19 customer: Necesito ayuda con la cuenta, por favor.
> language_mismatch alerts: Another language is needed “funciona” “Necesito”
> language_mismatch calls a person

does not fire
4 ai: How can I help?
9 customer: I need my bill in English, my Spanish course starts on Monday.

fires when words are missing again
4 ai: Is it the tap or the boiler?
9 customer: How you say, the lamp, water go in lamp.
14 ai: You have a broken lamp.
19 customer: No, I don't have the words for this.
> language_mismatch alerts: Another language is needed “How you say” “don't have the words”
> language_mismatch calls a person

does not fire on one word that is missing
9 customer: I don't know how you say, the place where they keep the coats. Is it extra?
