// Package config turns firewall.toml, and what it names, into a policy and settings. All defaults of the rule language live
// here, and every error says where the mistake is and how to mend it.
package config
