package offers

// crowd is, of 64 rows, those that one framework at least is to be asked about where they are put to everybody, and those that two are.
type crowd struct {
	word     int
	left     int // how many frameworks took part when it was found out; 0 before
	one, two uint64
}

// isOnly reports whether a framework is the only one that is to be asked about a node, as far as that is told at a glance: where nobody has declared
// what it wants.
func (p *pass) isOnly(s *Subscription, at *site) bool {
	if !p.exact || !p.freshHere || len(p.picky) > 0 || s.passed == p.x.putting || !p.asksAbout(s, at) {
		return false
	}
	c := &p.crowd
	if i := int(at.row / 64); c.left != p.left || c.word != i {
		*c = crowd{word: i, left: p.left}
		for _, s := range p.plain {
			if !s.asks {
				continue
			}
			rows := ^uint64(0)
			if i < len(p.x.spared) && s.number < len(p.x.spared[i].covers) {
				rows = ^p.x.spared[i].covers[s.number]
			}
			c.two |= c.one & rows
			if c.one |= rows; c.two == ^uint64(0) {
				break
			}
		}
	}
	return c.two>>(at.row%64)&1 == 0
}

// one returns the only framework that is to be asked about a node, if there is just one, and whether there is any.
func (p *pass) one(at *site) (only *Subscription, some bool) {
	for _, list := range [][]*Subscription{p.plain, p.picky} {
		for _, s := range list {
			if s.passed == p.x.putting || !p.asksAbout(s, at) {
				continue
			}
			if only != nil {
				return nil, true
			}
			only = s
		}
	}
	return only, only != nil
}
