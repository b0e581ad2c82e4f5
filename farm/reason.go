package farm

// Reason is a stable code that says why something is as it is.
type Reason string

// Why a Provider's owner changed, or did not.
const (
	ReasonInitial             Reason = "initial"
	ReasonBrokerOffline       Reason = "broker-offline"
	ReasonBrokerOutOfContact  Reason = "broker-out-of-contact"
	ReasonBrokerDisabled      Reason = "broker-disabled"
	ReasonBrokerDraining      Reason = "broker-draining"
	ReasonProviderUnreachable Reason = "provider-unreachable-from-broker"
	ReasonStandbyActivated    Reason = "standby-activated"
	ReasonStandbyReleased     Reason = "standby-released"
	ReasonFailback            Reason = "failback"
	ReasonPreferredAvailable  Reason = "preferred-available"
	ReasonRebalance           Reason = "rebalance"
	ReasonOperatorMove        Reason = "operator-move"
	ReasonOperatorDrain       Reason = "operator-drain"
	ReasonMajorityLost        Reason = "majority-lost"
	ReasonMajorityRegained    Reason = "majority-regained"
	ReasonHighAvailabilityOn  Reason = "high-availability-on"
	ReasonHighAvailabilityOff Reason = "high-availability-off"
	ReasonProviderDisabled    Reason = "provider-disabled"
	ReasonProviderDeleted     Reason = "provider-deleted"
)

// Why an agent cannot connect to its Provider.
const (
	ReasonConnectionFailed     Reason = "connection-failed"
	ReasonInvalidCredentials   Reason = "invalid-credentials"
	ReasonCertificateUntrusted Reason = "certificate-untrusted"
	ReasonUnsupportedVersion   Reason = "unsupported-version"
	ReasonTimeout              Reason = "timeout"
	ReasonSecretKeyMissing     Reason = "secret-key-missing"
)
