package daemon

import (
	"os/user"
	"strconv"
	"time"
)

// users remembers names of users by id. It serves one goroutine.
type users struct {
	lookup func(uid uint32) string
	names  map[uint32]userName
}

type userName struct {
	name  string
	asked time.Time
}

const (
	// A name is read from /etc/passwd; who logs a flood does not have it read for each packet.
	userLifetime = time.Minute
	usersKept    = 1024
)

func newUsers() *users {
	return &users{names: map[uint32]userName{}, lookup: func(uid uint32) string {
		u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
		if err != nil {
			return "" // the entry has the number
		}
		return u.Username
	}}
}

// name gives "" for a user that has none.
func (u *users) name(uid uint32) string {
	now := time.Now()
	if n, ok := u.names[uid]; ok && now.Sub(n.asked) < userLifetime {
		return n.name
	}
	if len(u.names) >= usersKept {
		clear(u.names)
	}
	n := userName{u.lookup(uid), now}
	u.names[uid] = n
	return n.name
}
