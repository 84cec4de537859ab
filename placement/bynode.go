package placement

// nodeTasks is how many tasks there are on each of few rows among many: pages of rows, made for those that have had any. A column of
// all rows would take more memory than the caches have, and of a plan's counters many may be by node.
type nodeTasks struct {
	pages []int32 // by page: the place of its tasks among those of pages, one more than it; 0 for a page without
	tasks []int32 // pageRows for each page that was made
	made  []int32 // the pages that were
}

const (
	pageBits = 5 // a page is two lines of memory
	pageRows = 1 << pageBits
)

// grow makes room for so many rows.
func (n *nodeTasks) grow(rows int) {
	if pages := (rows + pageRows - 1) >> pageBits; len(n.pages) < pages {
		n.pages = append(n.pages, make([]int32, pages-len(n.pages))...)
	}
}

// clear forgets all tasks, and keeps the room.
func (n *nodeTasks) clear() {
	for _, page := range n.made {
		n.pages[page] = 0
	}
	n.made, n.tasks = n.made[:0], n.tasks[:0]
}

// on returns the tasks of a row. It changes nothing.
func (n *nodeTasks) on(row int32) int {
	if page := int(row) >> pageBits; page < len(n.pages) {
		if at := n.pages[page]; at > 0 {
			return int(n.tasks[int(at-1)<<pageBits+int(row)&(pageRows-1)])
		}
	}
	return 0
}

// add adds to the tasks of a row, for which there is room, and returns how many there were.
func (n *nodeTasks) add(row int32, by int) (was int) {
	page := row >> pageBits
	if n.pages[page] == 0 {
		n.made = append(n.made, page)
		n.pages[page] = int32(len(n.made))
		n.tasks = append(n.tasks, make([]int32, pageRows)...)
	}
	at := &n.tasks[int(n.pages[page]-1)<<pageBits+int(row)&(pageRows-1)]
	was = int(*at)
	*at += int32(by)
	return was
}

// room returns how much memory it keeps, in the numbers that a column of all rows would have.
func (n *nodeTasks) room() int { return (cap(n.pages) + cap(n.tasks) + cap(n.made)) / 2 }
