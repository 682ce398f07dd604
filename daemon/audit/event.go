package audit

import (
	"fmt"
	"strings"
)

// EventType says what an entry tells.
type EventType uint8

// The event types, in JSON their names in lower case.
const (
	_          EventType = iota
	Drop                 // a packet was blocked or rejected
	Allow                // a connection was allowed, where that is logged
	Ban                  // a remote was banned
	Unban                // a ban ended
	Alert                // a signature or a detector matched
	Cut                  // an open connection was ended by a new policy
	Reload               // another policy came into force, or was refused
	Tamper               // somebody else changed the table
	Panic                // everything is blocked, or no longer
	Suppressed           // packets over a rule's log cap
	Lost                 // packets whose log message did not arrive
)

var eventNames = [...]string{
	Drop: "drop", Allow: "allow", Ban: "ban", Unban: "unban", Alert: "alert", Cut: "cut", Reload: "reload", Tamper: "tamper",
	Panic: "panic", Suppressed: "suppressed", Lost: "lost",
}

// EventTypes lists them all.
var EventTypes = []EventType{Drop, Allow, Ban, Unban, Alert, Cut, Reload, Tamper, Panic, Suppressed, Lost}

func (t EventType) valid() bool { return t > 0 && int(t) < len(eventNames) }

// String is the name as in event_type.
func (t EventType) String() string {
	if !t.valid() {
		return fmt.Sprintf("EventType(%d)", uint8(t))
	}
	return eventNames[t]
}

// ParseEventType reads a name as in event_type.
func ParseEventType(name string) (EventType, error) {
	for t, n := range eventNames {
		if n == name && n != "" {
			return EventType(t), nil
		}
	}
	return 0, fmt.Errorf("event type %q is none of %s", name, strings.Join(eventNames[1:], " "))
}
