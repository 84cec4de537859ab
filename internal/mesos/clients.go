package mesos

// Client is a framework in a role, or a role that is itself the client if the name is empty.
type Client struct{ Role, Name string }

// Clients are the two levels of Mesos: a sorter of roles, and one of frameworks for each role. All shares are of all there is.
type Clients struct {
	roles   *Sorter
	in      map[string]*Sorter
	total   Amounts
	exclude []string
}

// NewClients returns two levels without anybody, in which some resources count in nobody's share.
func NewClients(exclude ...string) *Clients {
	return &Clients{roles: NewSorter(exclude...), in: map[string]*Sorter{}, total: Amounts{}, exclude: exclude}
}

// The paths that stand for the root, and for a client without a name.
const root, unnamed = "*", "!"

func path(name, empty string) string {
	if name == "" {
		return empty
	}
	return name
}

// Add makes a client known and active.
func (c *Clients) Add(role, name string) {
	role = path(role, root)
	if c.in[role] == nil {
		c.in[role] = NewSorter(c.exclude...)
		c.in[role].SetTotal(c.total)
		c.roles.Add(role)
	}
	c.in[role].Add(path(name, unnamed))
}

// Remove forgets a client, with what it has.
func (c *Clients) Remove(role, name string) {
	role, name = path(role, root), path(name, unnamed)
	s := c.in[role]
	c.roles.Unallocated(role, s.Held(name))
	if s.Remove(name); s.Len() == 0 {
		delete(c.in, role)
		c.roles.Remove(role)
	}
}

// Activate lets a client have turns or not.
func (c *Clients) Activate(role, name string, active bool) {
	c.in[path(role, root)].Activate(path(name, unnamed), active)
}

// SetWeight gives a role a weight among its siblings.
func (c *Clients) SetWeight(role string, w float64) { c.roles.SetWeight(role, w) }

// SetTotal replaces what there is to share out.
func (c *Clients) SetTotal(total Amounts) {
	c.total = total
	c.roles.SetTotal(total)
	for _, s := range c.in {
		s.SetTotal(total)
	}
}

// Allocated adds to what a client has.
func (c *Clients) Allocated(role, name string, r Amounts) {
	c.roles.Allocated(path(role, root), r)
	c.in[path(role, root)].Allocated(path(name, unnamed), r)
}

// Unallocated takes from what a client has.
func (c *Clients) Unallocated(role, name string, r Amounts) {
	c.roles.Unallocated(path(role, root), r)
	c.in[path(role, root)].Unallocated(path(name, unnamed), r)
}

// Held returns what a client has.
func (c *Clients) Held(role, name string) Amounts {
	return c.in[path(role, root)].Held(path(name, unnamed))
}

// Share returns the share of a role and those below it, over its weight.
func (c *Clients) Share(role string) float64 { return c.roles.Share(role) }

// Len returns the number of clients.
func (c *Clients) Len() (n int) {
	for _, s := range c.in {
		n += s.Len()
	}
	return n
}

// Sort returns the active clients, whose turn is first coming first.
func (c *Clients) Sort() (order []Client) {
	for _, role := range c.roles.Sort() {
		for _, name := range c.in[role].Sort() {
			if name == unnamed {
				name = ""
			}
			order = append(order, Client{role, name})
		}
	}
	for i := range order {
		if order[i].Role == root {
			order[i].Role = ""
		}
	}
	return order
}
