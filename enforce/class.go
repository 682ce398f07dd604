package enforce

import (
	"encoding/binary"
	"slices"

	"pfw/config/policy"
)

// classes parts the values of a dimension by the lines that they may meet.
type classes struct {
	dimension dimension
	list      []class
	// by gives of each of runs, which ascend, the class in list.
	runs []run
	by   []int
	// wild are the lines that do not ask for the dimension: all that is left for the values of no class.
	wild []*line
	// longest is the most lines of a class, and copies the lines of all together.
	longest, copies int
}

// class is what values have in common that meet the same lines.
type class struct {
	lines []*line
	// of is an interface whose name is the class's, where it is one of interfaces.
	of policy.Interface
}

// spare bounds the copies of lines in classes: so many for each line, and so many more. Lines that do not ask for the
// dimension are copied into every class, so where they are many the classes are not worth it.
const sparePerLine, spare = 3, 64

// classesOf parts lines by a dimension; nil where that takes too many copies, or parts nothing.
func classesOf(lines []*line, d dimension, k known) *classes {
	k.decided |= d.fact()
	s := sorter{lines: lines, known: k, out: &classes{dimension: d}}
	n := 0
	for _, l := range lines {
		if l.asks.has(d.fact()) {
			n++
		}
	}
	if n < 2 {
		return nil
	}
	s.asking, s.index = make([]int, 0, n), make(map[string]int, n)
	s.out.runs, s.out.by, s.out.list = make([]run, 0, 2*n), make([]int, 0, 2*n), make([]class, 0, n)
	for i, l := range lines {
		if l.asks.has(d.fact()) {
			s.asking = append(s.asking, i)
			s.room += sparePerLine * len(l.runs[d])
		} else {
			s.wild = append(s.wild, i)
			s.out.wild = append(s.out.wild, l)
			s.room += sparePerLine
		}
	}
	s.room += spare
	var fits bool
	if d == byEntering || d == byLeaving {
		fits = s.interfaces(d)
	} else {
		fits = s.sweep(d)
	}
	if !fits {
		return nil
	}
	return s.out
}

// sorter makes classes of lines, each named by its place among them.
type sorter struct {
	lines        []*line
	known        known
	asking, wild []int
	room         int
	index        map[string]int
	key          []byte
	out          *classes
}

// edge is where a line begins or ceases to be met.
type edge struct {
	at   value
	line int32
	ends bool
}

// sweep goes over all values in order.
func (s *sorter) sweep(d dimension) bool {
	n := 0
	for _, i := range s.asking {
		n += 2 * len(s.lines[i].runs[d])
	}
	edges := make([]edge, 0, n)
	for _, i := range s.asking {
		for _, r := range s.lines[i].runs[d] {
			edges = append(edges, edge{r.first, int32(i), false})
			if r.last != topValue {
				edges = append(edges, edge{r.last.next(), int32(i), true})
			}
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return compareValues(a.at, b.at) })
	var met []int
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && edges[i].at == at; i++ {
			where, _ := slices.BinarySearch(met, int(edges[i].line))
			if edges[i].ends {
				met = slices.Delete(met, where, where+1)
			} else {
				met = slices.Insert(met, where, int(edges[i].line))
			}
		}
		last := topValue
		if i < len(edges) {
			last = edges[i].at.prev()
		}
		if len(met) > 0 && !s.put(met, run{at, last}, policy.Interface{}) {
			return false
		}
	}
	return true
}

// interfaces makes a class of each name and of each beginning of names that a line asks for.
func (s *sorter) interfaces(d dimension) bool {
	// By what they match: a name of full length is one with a '*' behind it.
	seen := map[run]bool{}
	for _, i := range s.asking {
		names := s.lines[i].runs[d][0]
		if seen[names] {
			continue
		}
		seen[names] = true
		var met []int
		for _, j := range s.asking {
			if covers(s.lines[j].runs[d][0], names) {
				met = append(met, j)
			}
		}
		if !s.put(met, names, s.lines[i].sides[d-byEntering]) {
			return false
		}
	}
	return true
}

func covers(a, b run) bool {
	return compareValues(a.first, b.first) <= 0 && compareValues(b.last, a.last) <= 0
}

// put adds a run of values whose packets may meet some lines, and the wild ones.
func (s *sorter) put(met []int, r run, of policy.Interface) bool {
	s.key = s.key[:0]
	count, wild := 0, s.wild
	for len(met)+len(wild) > 0 {
		next := 0
		if len(wild) == 0 || len(met) > 0 && met[0] < wild[0] {
			next, met = met[0], met[1:]
		} else {
			next, wild = wild[0], wild[1:]
		}
		s.key = binary.NativeEndian.AppendUint32(s.key, uint32(next))
		count++
		if s.known.bare(s.lines[next]) {
			break // it decides all that come to it
		}
	}
	s.out.longest = max(s.out.longest, count)
	s.out.copies += count
	if s.out.copies > s.room {
		return false
	}
	at, there := s.index[string(s.key)]
	if !there || of != (policy.Interface{}) {
		at = len(s.out.list)
		s.index[string(s.key)] = at
		lines := make([]*line, count)
		for i := range lines {
			lines[i] = s.lines[binary.NativeEndian.Uint32(s.key[4*i:])]
		}
		s.out.list = append(s.out.list, class{lines, of})
	}
	if n := len(s.out.runs); n > 0 && s.out.by[n-1] == at && s.out.runs[n-1].last.next() == r.first {
		s.out.runs[n-1].last = r.last
		return true
	}
	s.out.runs = append(s.out.runs, r)
	s.out.by = append(s.out.by, at)
	return true
}
