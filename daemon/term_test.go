package daemon

import (
	"encoding/json"
	"testing"
	"time"
)

// Who sets the clock, or closes the lid, neither shortens nor lengthens what somebody gave.
func TestATermEndsWhateverTheWallClockSays(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	began := instant{boot: "a", up: time.Hour, wall: noon}
	given := began.term(time.Minute)
	for _, c := range []struct {
		name string
		now  instant
		want time.Duration
	}{
		{"at once", began, time.Minute},
		{"20 seconds later", instant{"a", time.Hour + 20*time.Second, noon.Add(20 * time.Second)}, 40 * time.Second},
		{"the clock was set a year ahead", instant{"a", time.Hour + 20*time.Second, noon.AddDate(1, 0, 0)}, 40 * time.Second},
		{"the clock was set back to 1970", instant{"a", time.Hour + 20*time.Second, time.Unix(0, 0)}, 40 * time.Second},
		{"the machine slept for a day", instant{"a", 25 * time.Hour, noon.Add(24 * time.Hour)}, time.Minute - 24*time.Hour},
		{"woken from an older image", instant{"a", time.Minute, noon.Add(20 * time.Second)}, time.Minute},
		{"rebooted", instant{"b", 5 * time.Second, noon.Add(20 * time.Second)}, 40 * time.Second},
		{"rebooted after its end", instant{"b", 5 * time.Second, noon.Add(time.Hour)}, -59 * time.Minute},
		{"rebooted without a clock", instant{"b", 5 * time.Second, time.Unix(0, 0)}, time.Minute},
	} {
		if got := given.left(c.now); got != c.want {
			t.Errorf("%s: %s left, want %s", c.name, got, c.want)
		}
		// What a restart reads back is the same.
		text, err := json.Marshal(given)
		if err != nil {
			t.Fatal(err)
		}
		var saved term
		if err := json.Unmarshal(text, &saved); err != nil || saved.left(c.now) != c.want {
			t.Errorf("%s: read back, %s left, %v", c.name, saved.left(c.now), err)
		}
	}
	if got := given.end(instant{"a", time.Hour + 20*time.Second, noon.Add(time.Hour)}); !got.Equal(noon.Add(time.Hour + 40*time.Second)) {
		t.Errorf("shown to end at %s, which is not 40 seconds from now", got)
	}
}

func TestClocksGoOn(t *testing.T) {
	first := clocks("a")
	time.Sleep(time.Millisecond)
	if second := clocks("a"); second.up <= first.up || second.up-first.up > time.Minute {
		t.Errorf("%s, then %s", first.up, second.up)
	}
}
