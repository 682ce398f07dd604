package names

import (
	"net/netip"
	"time"
)

// Whoever does not see a question must guess its number and the port that it came from to answer it, and has the time until the
// true answer comes. So only what answers a question that was seen is believed, and once.

const (
	// mostQuestions bounds the questions that wait for an answer.
	mostQuestions = 4096
	// answerTime is how long an answer may take: resolvers ask again after 5 s or less, with the same question.
	answerTime = 10 * time.Second
)

// questions are those that wait for an answer.
type questions map[asking]asked

// asking tells questions apart.
type asking struct {
	tcp      bool
	from, to netip.AddrPort
	id       uint16
}

type asked struct {
	name string
	// recursive is the message's.
	recursive bool
	at        time.Time
}

// put notes a question.
func (q questions) put(k asking, m *message, now time.Time) {
	if len(q) >= mostQuestions {
		for k, x := range q {
			if now.Sub(x.at) > answerTime {
				delete(q, k)
			}
		}
		for k := range q {
			if len(q) < mostQuestions-mostQuestions/spare {
				break
			}
			delete(q, k) // any of them: its answer teaches nothing
		}
	}
	q[k] = asked{m.question, m.recursive, now}
}

// take finds the question that a message answers, and forgets it.
func (q questions) take(k asking, m *message, now time.Time) (x asked, ok bool) {
	x, ok = q[k]
	if !ok || x.name != m.question {
		return asked{}, false // the true answer may still come
	}
	delete(q, k)
	return x, now.Sub(x.at) <= answerTime
}
