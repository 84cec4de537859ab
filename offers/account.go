package offers

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// balance is what one client has on one node, and how much of it the order was told: all of it, unless the order refused. No stock is
// nothing.
type balance struct {
	who         client
	owed, paid  *stock
	outstanding bool // the order has refused some of it
}

// Seats is what an [Order] may have besides, so that an Exchange looks up no names where it charges thousands of offers: clients by
// numbers of the order's own, their seats, and resources by their place in one list of names. The Turns of an allocator.DRF have it.
type Seats interface {
	// Same reports whether an order is the one that has these methods, rather than one that embeds it: that one's own methods count.
	Same(order any) bool
	// Seat returns the seat of a client, which is good until the client is removed, and gives it a tag.
	Seat(role berth.Role, name string, tag int) (seat uint64, err error)
	// SetIndex names resources by their index.
	SetIndex(names []string) error
	// ChargeSeat and CreditSeat are Charge and Credit, with the amounts of the resources at indexes.
	ChargeSeat(seat uint64, index []int32, amounts []int64) error
	CreditSeat(seat uint64, index []int32, amounts []int64) error
	// Tags yields the tags of the active clients that have seats, in the order of All.
	Tags() iter.Seq[int]
	// FirstTag returns the first of Tags, and false if there is none or the first of All has no seat.
	FirstTag() (int, bool)
	// Before reports whether the client of one seat is before that of another in the order.
	Before(a, b uint64) bool
}

// manySeats is what Seats may have besides: ChargeSeatTimes is ChargeSeat so many times.
type manySeats interface {
	ChargeSeatTimes(seat uint64, index []int32, amounts []int64, times int64) error
}

// seat is the seat of a framework as the account knew it when it was looked up last.
type seat struct{ number, seating uint64 }

// seatAt returns the seat of a framework, or 0.
func (a *account) seatAt(s *Subscription) uint64 {
	if s.seat.seating != a.seating {
		s.seat = seat{a.seat[s.client], a.seating}
	}
	return s.seat.number
}

// account is what the order was told.
type account struct {
	order  Order
	unsure bool                      // it panicked while it was told something
	sized  bool                      // it knows the capacity
	known  map[client]bool           // that the order may know
	roles  map[berth.Role]int        // clients without a name, by the nodes on which they have something
	payers map[berth.Role]berth.Role // of roles that the order refused
	debts  map[*site]struct{}        // with an outstanding balance
	where  map[client]*presence      // of frameworks
	tidied uint64                    // numbers the occasions on which one of them was tidied
	eased  bool                      // since the debts were last tried the order has refused one, or was given something back
	faults []error                   // since a pass last told of them

	seats   Seats             // nil of an order that has none
	many    manySeats         // nil of an order that charges once at a time
	seat    map[client]uint64 // of frameworks,
	seating uint64            // and how often that has changed
	index   indexes
}

func newAccount(order Order) account {
	seats, _ := order.(Seats)
	if seats != nil && !seats.Same(order) {
		seats = nil
	}
	many, _ := seats.(manySeats)
	return account{
		seats:  seats,
		many:   many,
		seat:   map[client]uint64{},
		order:  order,
		known:  map[client]bool{},
		roles:  map[berth.Role]int{},
		payers: map[berth.Role]berth.Role{},
		debts:  map[*site]struct{}{},
		where:  map[client]*presence{},
	}
}

// presence is where a framework has a balance, and where it had one not long ago: so it costs what it has to take all of it back.
type presence struct {
	sites []*site
	tidy  int // how many there must be to look through them again
}

// note notes that a client has a balance on a node on which it had none.
func (a *account) note(s *site, who client) {
	if who.name == "" {
		return
	}
	p := a.where[who]
	if p == nil {
		p = &presence{tidy: 16}
		a.where[who] = p
	}
	if len(p.sites) >= p.tidy {
		a.tidied++
		p.sites = slices.DeleteFunc(p.sites, func(s *site) bool {
			again := s.tidied == a.tidied
			s.tidied = a.tidied
			return again || !s.has(who)
		})
		p.tidy = max(16, 4*len(p.sites))
	}
	p.sites = append(p.sites, s)
}

// has reports whether a client has a balance on the node.
func (s *site) has(who client) bool {
	_, found := slices.BinarySearchFunc(s.balances, who, func(b balance, who client) int { return compareClients(b.who, who) })
	return found
}

// tell tells the order something. If it panics, it is not known whether it took it in.
func (a *account) tell(f func(Order) error) error {
	a.unsure = true
	err := f(a.order)
	a.unsure = false
	return err
}

// fault notes that the order refused something, which the next pass tells. It is no reason to stop: it is about
// one client, and is tried again.
func (a *account) fault(err error) {
	const most = 16 // of one kind mostly
	if len(a.faults) < most {
		a.faults = append(a.faults, err)
	}
	a.eased = true
}

func (a *account) takeFaults() error {
	err := errors.Join(a.faults...)
	a.faults = nil
	return err
}

// setCapacity tells the order what there is to share out.
func (x *Exchange) setCapacity() {
	err := x.account.tell(func(o Order) error { return o.SetCapacity(x.snapshot.Total()) })
	if x.account.sized = err == nil; err != nil {
		x.account.fault(fmt.Errorf("capacity: %w", err))
	}
	for _, s := range x.slots {
		if s != nil {
			x.ease(s)
		}
	}
}

// reconcile makes the order's account of a node what the source shows: it charges and credits the difference
// between what clients have there and what they were charged for it. Whatever changed the source, and however
// often, the account is right afterwards.
func (x *Exchange) reconcile(s *site) {
	for _, c := range s.claims {
		if x.stands(c) {
			if x.view.Record(c.slot).Row == store.None {
				x.lost = append(x.lost, c)
			}
		} else {
			x.forget(c)
		}
	}
	for _, owner := range s.others {
		if x.others[owner]--; x.others[owner] == 0 {
			delete(x.others, owner)
		}
	}
	balances := x.tally(s)
	for _, owner := range s.others {
		x.others[owner]++
	}
	for _, was := range s.balances {
		x.account.balanceOf(&balances, was.who).paid = was.paid
		x.account.leave(was.who) // both lists have counted it
	}
	for i := range balances {
		if who := balances[i].who; !s.has(who) {
			x.account.note(s, who)
		}
	}
	s.balances = balances
	x.account.correct(s)
}

// payDebts tries again to charge what could not be charged.
func (x *Exchange) payDebts() {
	a := &x.account
	if !a.eased || len(a.debts) == 0 {
		a.eased = false
		return
	}
	a.eased = false
	sites := make([]*site, 0, len(a.debts))
	for s := range a.debts {
		sites = append(sites, s)
	}
	slices.SortFunc(sites, func(a, b *site) int { return cmp.Compare(a.id, b.id) })
	for _, s := range sites {
		a.correct(s)
	}
}

// correct charges and credits the clients on a node with what they owe and have paid, and drops those that have
// nothing there.
func (a *account) correct(s *site) {
	delete(a.debts, s)
	for i := range s.balances {
		if a.credit(&s.balances[i]); s.balances[i].outstanding {
			a.debts[s] = struct{}{}
		}
	}
	for i := range s.balances {
		if a.charge(&s.balances[i]); s.balances[i].outstanding {
			a.debts[s] = struct{}{}
		}
	}
	s.balances = slices.DeleteFunc(s.balances, func(b balance) bool {
		if b.owed != nil || b.paid != nil {
			return false
		}
		a.leave(b.who)
		return true
	})
}

// credit gives back what a client has paid beyond what it owes.
func (a *account) credit(b *balance) {
	b.outstanding = false
	back := b.paid.beyond(b.owed)
	if back == nil {
		return
	}
	if err := a.move(b.who, back, -1); err != nil {
		b.outstanding = true
		a.fault(fmt.Errorf("%v: credit: %w", b.who, err))
		return
	}
	a.eased = true
	b.paid = b.paid.least(b.owed)
}

// charge charges a client with what it owes and has not paid.
func (a *account) charge(b *balance) {
	more := b.owed.beyond(b.paid)
	if more == nil {
		return
	}
	if err := a.move(b.who, more, 1); err != nil {
		b.outstanding = true
		a.fault(fmt.Errorf("%v: charge: %w", b.who, err))
		return
	}
	b.paid = b.paid.most(b.owed)
}

// move charges a client, or credits it where the sign is negative.
func (a *account) move(who client, what *stock, sign int) error {
	return a.moveAt(a.seat[who], who, what, sign)
}

// moveAt is move for who knows the client's seat.
func (a *account) moveAt(seat uint64, who client, what *stock, sign int) error {
	return a.tell(func(o Order) error {
		if seat != 0 && a.index.compile(a.seats, what) {
			if sign > 0 {
				return a.seats.ChargeSeat(seat, what.index, what.amounts)
			}
			return a.seats.CreditSeat(seat, what.index, what.amounts)
		}
		if sign > 0 {
			return o.Charge(who.role, who.name, what.all)
		}
		return o.Credit(who.role, who.name, what.all)
	})
}

func with(r berth.Resources, name string, q int64) berth.Resources {
	if r == nil {
		r = berth.Resources{}
	}
	r[name] = saturated(r[name], q)
	return r
}

// saturated is a+b, for quantities, or the most that an int64 holds.
func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func isZero(r berth.Resources) bool {
	for _, q := range r {
		if q > 0 {
			return false
		}
	}
	return true
}

// balanceOf returns a client's balance in a list in the order of clients, a new one if it has none.
func (a *account) balanceOf(list *[]balance, who client) *balance {
	i, found := slices.BinarySearchFunc(*list, who, func(b balance, who client) int { return compareClients(b.who, who) })
	if !found {
		*list = slices.Insert(*list, i, balance{who: who})
		if who.name == "" {
			a.roles[who.role]++
		}
	}
	return &(*list)[i]
}

// leave tells that a client has nothing on a node any more. A role that has nothing anywhere is no client.
func (a *account) leave(who client) {
	if who.name != "" {
		return
	}
	if a.roles[who.role]--; a.roles[who.role] > 0 {
		return
	}
	delete(a.roles, who.role)
	if err := a.remove(who); err != nil {
		a.fault(fmt.Errorf("%v: %w", who, err))
	}
}

// advance charges a framework at once for what a pass means to offer it on a node, so many times over; reconcile corrects it should
// the source refuse. It returns false, and has charged nothing, if the order refuses.
func (x *Exchange) advance(at *site, s *Subscription, what *stock, times int64) bool {
	a, who := &x.account, s.client
	var err error
	if seat := a.seatAt(s); times == 1 {
		err = a.moveAt(seat, who, what, 1)
	} else if seat == 0 || a.many == nil {
		return false
	} else {
		err = a.tell(func(Order) error {
			if !a.index.compile(a.seats, what) {
				return errNoIndex
			}
			return a.many.ChargeSeatTimes(seat, what.index, what.amounts, times)
		})
		what = what.times(times)
	}
	if err != nil {
		if times == 1 {
			a.fault(fmt.Errorf("%v: charge: %w", who, err))
		}
		return false
	}
	n := len(at.balances)
	b := a.balanceOf(&at.balances, who)
	if len(at.balances) > n {
		a.note(at, who)
	}
	even := b.owed == b.paid
	if b.owed = b.owed.plus(what); even {
		b.paid = b.owed
	} else {
		b.paid = b.paid.plus(what)
	}
	return true
}

var errNoIndex = errors.New("the order does not take the names of resources")
