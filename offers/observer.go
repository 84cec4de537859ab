package offers

import (
	"context"
	"errors"
	"time"
)

// Observer is functions of the host's that are told what an Exchange does, for metrics. Nothing that they do or return decides
// anything.
type Observer struct {
	// Passed is told of each pass, when it is over and without any lock, in the goroutine that called Offer. It may call the
	// Exchange. A panic in it is dropped. The default tells nobody, and then no time is taken.
	Passed func(Pass)
	// Answered is told, after each call in which offers were answered or ended or tasks placed, what became of those of each
	// framework, in the goroutine that made the call and without any lock. It may call the Exchange. A panic in it is dropped. The
	// default tells nobody.
	Answered func(Answers)
	// Now is the clock by which durations are measured. It is called while no other call of the Exchange runs, and must not call
	// the Exchange. The default is time.Now.
	Now func() time.Time
}

// Pass is what became of a pass.
type Pass struct {
	Took        time.Duration // without the wait for other calls; 0 where the clock went back
	Made        int           // offers
	Outstanding int           // offers that are not answered, those made before included
	Err         error         // what Offer returned
}

// Consult has f read or change the Order, such as to show shares or to set a weight, while no call of the Exchange runs and when
// all that the source shows has been charged. f must not call the Exchange. Consult may be called from any goroutine. It fails if
// the source does, or if the context ends before f is called.
func (x *Exchange) Consult(ctx context.Context, f func(Order)) error {
	if f == nil {
		return errors.New("offers: consult: no function")
	}
	return x.call("consult", func() error {
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		f(x.cfg.Order)
		return x.account.takeFaults()
	})
}
