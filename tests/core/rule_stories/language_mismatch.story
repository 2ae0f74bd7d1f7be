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
