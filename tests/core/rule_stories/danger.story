fires
9 customer: There is a smell of gas in the kitchen.
> danger alerts: Health or safety is at stake “smell of gas”
> danger calls a person

does not fire
9 customer: This match is mad, I'm going to have a heart attack! My wife will kill me.
