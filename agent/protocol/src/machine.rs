//! What telemetry says of the machine that a box is: memory, power, network, and what is wrong with it.

use serde::{Deserialize, Serialize};

/// A box's memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxMemory))]
pub struct MemoryStatus {
    /// What there is in all.
    pub total_bytes: u64,
    /// What programs can still have without anything being swapped.
    pub available_bytes: u64,
    /// What the agent takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_bytes: Option<u64>,
    /// What the process takes that captures and encodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_bytes: Option<u64>,
}

/// Whether a box's processor has the power and the cooling that it needs; what the machine cannot tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxPower))]
pub struct PowerStatus {
    /// The supply's voltage is too low now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_voltage: Option<bool>,
    /// The processor runs slower than it could now, for want of power or for heat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<bool>,
    /// One of both was so at some time since the machine was switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_boot: Option<bool>,
}

/// One of a box's network interfaces that is up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxInterface))]
pub struct InterfaceStatus {
    /// As the system calls it, `eth0`.
    pub name: String,
    /// What kind of line it is.
    pub kind: InterfaceKind,
    /// What the line was negotiated to, in Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mbps: Option<u32>,
    /// Its addresses, those of other networks before those of this link alone.
    pub addresses: Vec<String>,
    /// What comes in, in kbit/s.
    pub received_kbps: u32,
    /// What goes out, in kbit/s.
    pub sent_kbps: u32,
    /// Packets that came or went broken since the interface is up.
    pub errors: u64,
}

/// What kind of line a network interface is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxInterfaceKind))]
pub enum InterfaceKind {
    Wired,
    Wifi,
    Cellular,
    /// A tunnel or another of the system's own making, or one of a newer contract.
    #[default]
    #[serde(other)]
    Other,
}

/// Something that is wrong with the machine, as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxWarning))]
pub struct MachineWarning {
    /// What it is.
    pub kind: WarningKind,
    /// What it is and what to do about it, for people.
    pub words: String,
}

/// What can be wrong with the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxWarningKind))]
pub enum WarningKind {
    /// The power supply is too weak.
    UnderVoltage,
    /// The processor is slowed down.
    Throttled,
    /// The processor is too hot.
    Hot,
    /// Hardly any memory is left.
    MemoryLow,
    /// The clock is not synchronised.
    Clock,
    /// A line breaks packets.
    LinkErrors,
    #[serde(other)]
    Unknown,
}
