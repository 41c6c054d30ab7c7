//! The states of the protocol that a run is hoped to pass through.

macro_rules! marks {
    ($($mark:ident $name:literal : $sentence:literal)*) => {
        /// An interesting state, recognised from outside.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mark {
            $(#[doc = $sentence] $mark,)*
        }

        impl Mark {
            /// All of them.
            pub const ALL: &[Mark] = &[$(Mark::$mark,)*];

            /// As summaries call it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Mark::$mark => $name,)* }
            }

            /// What was reached.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Mark::$mark => $sentence,)* }
            }
        }
    };
}

marks! {
    // Leases.
    LeaseExpiredDuringWrite "lease-expired-during-write":
        "A primary's lease ran out while it owed a client an answer to a mutation."
    LeaseEndedByPrepare "lease-ended-by-prepare":
        "A primary gave up a lease that still ran, because it was asked for a promise."
    DeposedWithWritesInFlight "deposed-with-writes-in-flight":
        "A primary gave up a running lease while it owed answers to mutations."
    LeaseFoundExpiredLate "lease-found-expired-late":
        "A node found its lease over more than half a second after its end: it had stood still."
    LeaseTakenUp "lease-taken-up":
        "A node became primary without having been one for the chunk just before."
    LeaseRenewed "lease-renewed":
        "A primary prolonged a lease that still ran."
    GrantCameTooLate "grant-came-too-late":
        "A grant arrived and changed nothing: its question was forgotten, its version fenced."
    PrimaryCrashedUnderLease "primary-crashed-under-lease":
        "A primary's life ended while its lease ran."
    PrimaryCrashedWithWritesInFlight "primary-crashed-with-writes-in-flight":
        "A primary's life ended while it owed answers to mutations."
    SamePrimaryWentOn "same-primary-went-on":
        "A configuration kept its predecessor's primary."

    // Changes of a configuration.
    ReconfiguredDuringRecovery "reconfigured-during-recovery":
        "A change began while members still reconciled to the configuration before."
    PromiseWithoutCommit "promise-without-commit":
        "A version was promised and never configured: a higher one was."
    PrepareRefused "prepare-refused":
        "A Prepare met a higher promise."
    PrepareWithoutReplica "prepare-without-replica":
        "A Prepare came to a server that holds nothing of the chunk."
    PrepareWhileApplying "prepare-while-applying":
        "A Prepare arrived while mutations of the chunk were on their way to the disk."
    ProposalRefused "proposal-refused":
        "A committed entry had no effect: what it was based on had changed."
    MemberConfiguredOut "member-configured-out":
        "A configuration left a member of its predecessor out."
    LearnerConfiguredIn "learner-configured-in":
        "A configuration took in a node that its predecessor did not have."
    LastCopy "last-copy":
        "A chunk of several replicas came down to one member."
    ChangesSideBySide "changes-side-by-side":
        "Changes of two chunks were under way at once."
    MemberReportedFailed "member-reported-failed":
        "A primary told the master of a member that holds it up."

    // Reconciliation.
    ReconciledWithBytes "reconciled-with-bytes":
        "Delta catch-up: a member took ranges from a new primary."
    ReconciledWithoutBytes "reconciled-without-bytes":
        "A member reconciled that had nothing to take but the image."
    MemberLostUnacknowledgedBytes "member-lost-unacknowledged-bytes":
        "A member gave up mutations that the new primary did not have."
    MemberCrashedDuringReconcile "member-crashed-during-reconcile":
        "A node's life ended while it was asked to reconcile."

    // Copies.
    BulkCatchUp "bulk-catch-up":
        "A learner took a whole chunk over in more than one step."
    LearnerComplete "learner-complete":
        "A learner installed its copy."
    LearnerRestarted "learner-restarted":
        "A learner's life ended before its copy was complete."
    SourceRestartedWhileCopying "source-restarted-while-copying":
        "A source's life ended while somebody copied from it."
    CopyVoid "copy-void":
        "A source told a learner that its copy is void."
    WrittenDuringCopy "written-during-copy":
        "A source applied mutations of a chunk that somebody copied from it."
    RepairGivenUp "repair-given-up":
        "The master gave up a copy that it had ordered."

    // Mutations.
    RetryMetTheTable "retry-met-the-table":
        "A primary was asked for a mutation that it had applied already."
    RetryAnsweredFromTheTable "retry-answered-from-the-table":
        "Such a retry was answered with what the operation table remembers."
    RetryWhileInFlight "retry-while-in-flight":
        "A mutation came again while the first of it was in flight."
    PushOutOfOrder "push-out-of-order":
        "A member received a mutation before the one that comes before it."
    PushTwice "push-twice":
        "A member received a mutation that it has."
    PushFenced "push-fenced":
        "A member refused a mutation of a version that it may not apply."
    GroupCommit "group-commit":
        "Several mutations became durable with one I/O."
    ChunkSealed "chunk-sealed":
        "A record did not fit, and its chunk was sealed."
    LateAck "late-ack":
        "A member's acknowledgement of an earlier version reached a primary that had continued."
    LateAckInPipeline "late-ack-in-pipeline":
        "Such an acknowledgement arrived while two or more mutations of the later version were in flight."
    LateAckOfMore "late-ack-of-more":
        "Such an acknowledgement named a place in the order that the later version had in flight."
    WriteRefusedBusy "write-refused-busy":
        "A primary had too much waiting."
    WriteRefusedStale "write-refused-stale":
        "A client wrote under a version that had passed, or to a node that is no primary."

    // Reads.
    ReadRefusedForExpiredLease "read-refused-for-expired-lease":
        "A strong read was refused by a node whose lease on the chunk had ended."
    ReadRefusedAfterItsIo "read-refused-after-its-io":
        "A read was refused although its bytes had been read: the version or the lease was over."
    ReadWaitedForOverlap "read-waited-for-overlap":
        "A strong read arrived while a mutation of the same bytes was in flight."
    RelaxedReadAtSecondary "relaxed-read-at-secondary":
        "A node without a lease served a relaxed read."
    CorruptBlockFound "corrupt-block-found":
        "A block did not fit its checksum."
    CorruptMemberConfiguredOut "corrupt-member-configured-out":
        "A member with a corrupt block was left out of the next configuration."

    // Garbage.
    StaleReplicaDeleted "stale-replica-deleted":
        "A replica that the configuration excludes was deleted."
    FreedReplicaDeleted "freed-replica-deleted":
        "A replica of a freed chunk was deleted."
    DeleteRefused "delete-refused":
        "An order to delete changed nothing where it arrived."
    QuarantineEntered "quarantine-entered":
        "An unknown replica was set aside."
    QuarantineLeft "quarantine-left":
        "A replica that had been set aside was deleted or made anew."

    // Servers and the master.
    SafeModeWithUnreportedChunks "safe-mode-with-unreported-chunks":
        "A master ended its safe mode before every chunk had been reported."
    SafeModeEndedByTime "safe-mode-ended-by-time":
        "A master ended its safe mode because its time was over."
    ConfiguredInSafeMode "configured-in-safe-mode":
        "A configuration changed while the master was in safe mode."
    MasterCrashedDuringChange "master-crashed-during-change":
        "The master's life ended while a configuration was changing."
    EntriesUnacknowledgedAtStart "entries-unacknowledged-at-start":
        "A master began with entries that were durable before any client was answered."
    SnapshotInstalled "snapshot-installed":
        "A master took a peer's snapshot in the place of entries that it never saw."
    MasterEndedByItsDisk "master-ended-by-its-disk":
        "A master among several ended itself: its disk failed a sync, or was full."
    MasterReplaced "master-replaced":
        "A master that had lost its disk was a member again, as another."
    LivingServerDeclaredDead "living-server-declared-dead":
        "A server was given up while it was alive."
    ServerRejoined "server-rejoined":
        "A server came back that had been registered before."
    RegistrationRefused "registration-refused":
        "A master refused a life of a server that it knows a later one of."
    ReportAskedAnew "report-asked-anew":
        "A master asked a server to register again: it did not know it, or missed a report."
    DiskFailedInService "disk-failed-in-service":
        "A disk failed while its server ran."
    DiskFull "disk-full":
        "An I/O found no room."

    // Clients.
    OutcomeUnknown "outcome-unknown":
        "An operation timed out that may have taken effect."
    PermissionDenied "permission-denied":
        "A mode kept a caller from a directory or a file."
    OwnerWanted "owner-wanted":
        "A call was refused to one who is not the owner, or not the superuser."
    SymlinkLoop "symlink-loop":
        "An address led over too many symbolic links."
    DirectoryNotEmpty "directory-not-empty":
        "A directory was not removed or replaced, as it holds names."
    NameTooLong "name-too-long":
        "A name or a path was longer than it may be."
    NoSuchXattr "no-such-xattr":
        "An extended attribute was not there, or not for this caller."
    XattrNotSupported "xattr-not-supported":
        "An extended attribute of no known name space."
    ClientRetried "client-retried":
        "A client repeated an operation."
}

impl Mark {
    /// The mark of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mark> {
        Mark::ALL.iter().copied().find(|mark| mark.name() == name)
    }
}
