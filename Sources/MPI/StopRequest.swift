import COpenMPI
import CShims
import Glibc

/// The end of a run before its work is done: not a failure, the run can be continued.
public struct Interruption: Error, Sendable {
  /// Why it ends.
  public let reason: StopReason
  /// Whether every rank throws it at the same place, so that MPI can be ended in order.
  let isAgreed: Bool
}

/// Why a run ends before its work is done.
public enum StopReason: Sendable, Equatable {
  /// A signal came: SIGUSR1 or SIGTERM.
  case signal(Int32)
  /// The time is up that the run was given.
  case timeIsUp(hours: Double)
  /// Another rank knows why.
  case anotherRank
  /// The program asked for it.
  case program
}

/// Whether a run has been asked to end early: by SIGUSR1 or SIGTERM to any rank, or because its time is up.
///
/// Every rank asks (`poll`) between pieces of its work. One that has been asked tells rank 0 by an
/// empty message, rank 0 tells all, and nobody waits. A rank that knows of the request leaves work out,
/// but sends and receives what the others expect, up to the next place where all agree to end.
public final class StopRequest {
  /// Communicates apart from all else.
  private let comm: Communicator
  /// `Communicator.wallTime` at which the time is up.
  private let end: Double
  private let hours: Double?
  private var reason: StopReason?
  /// Called with 1, 2, ... each time that this rank asks: for tests that stop it at a certain place.
  public var whenPolled: ((Int) -> Void)?
  private var polls = 0

  /// From now on SIGUSR1 and SIGTERM do not end the program at once (SIGTERM does so 0.6 s later).
  /// Before MPI starts, so that an early signal is not lost.
  public static func catchSignals() { kindred_stop_when_asked() }

  /// Collective.
  /// - Parameters:
  ///   - comm: the ranks that stop together.
  ///   - hours: the time that the run has from now on; nil for no limit.
  public init(on comm: Communicator, hours: Double? = nil) throws(MPIError) {
    self.comm = try comm.split(colour: 0, key: comm.rank)
    self.hours = hours
    end = hours.map { Communicator.wallTime() + $0 * 3600 } ?? .infinity
  }

  /// Asks the run to stop from within the program.
  public func ask(_ why: StopReason = .program) throws(MPIError) {
    if reason != nil { return }
    reason = why
    if comm.isRoot { try tellAll() } else { try comm.notify(0) }
  }

  /// Whether this rank knows of a request to stop. Cheap; no other rank is waited for.
  public func poll() throws(MPIError) -> Bool {
    if reason != nil { return true }
    polls += 1
    whenPolled?(polls)
    if reason != nil { return true }
    let (signal, isTold) = (kindred_stop_asked(), try comm.takeNotice())
    if signal != 0 {
      reason = .signal(signal)
    } else if isTold {
      reason = told
    } else if Communicator.wallTime() >= end {
      reason = .timeIsUp(hours: hours!)
    }
    if reason == nil { return false }
    if comm.isRoot {
      try tellAll()
    } else if !isTold {
      try comm.notify(0)
    }
    return true
  }

  /// Why another rank stops, as far as this one can tell: the time is up on all ranks within moments.
  private var told: StopReason {
    Communicator.wallTime() >= end - 1 ? .timeIsUp(hours: hours!) : .anotherRank
  }

  private func tellAll() throws(MPIError) {
    for rank in 1..<max(1, comm.size) { try comm.notify(rank) }
  }

  /// Whether any rank knows of a request: the same on all. Collective.
  public func agree() throws(MPIError) -> Bool {
    let first = try poll() ? comm.rank : comm.size
    let teller = try comm.allreduce(first, .minimum)
    if teller == comm.size { return false }
    if reason == nil { reason = told }
    return true
  }

  /// Ends all ranks here if any knows of a request. Collective.
  /// - Throws: `Interruption`, on all ranks.
  public func throwIfAgreed() throws {
    if try agree() { throw interruption(isAgreed: true) }
  }

  /// Ends this rank and with it the run (`Universe.run`), for work that leaves nothing to go on from.
  /// - Throws: `Interruption`.
  public func throwIfAsked() throws {
    if try poll() { throw interruption(isAgreed: false) }
  }

  private func interruption(isAgreed: Bool) -> Interruption {
    Interruption(reason: reason ?? .anotherRank, isAgreed: isAgreed)
  }
}

extension Communicator {
  private var noticeTag: Int32 { MessageTag.stopNotice.rawValue }

  /// Sends an empty message that nobody has to receive.
  fileprivate func notify(_ rank: Int) throws(MPIError) {
    var request: MPI_Request? = kindred_request_null()
    try check(
      MPI_Isend(nil, 0, UInt8.mpiDatatype, Int32(rank), noticeTag, raw, &request), "MPI_Isend")
    try check(MPI_Request_free(&request), "MPI_Request_free")
  }

  /// Whether an empty message has come; takes it.
  fileprivate func takeNotice() throws(MPIError) -> Bool {
    var isThere: Int32 = 0
    var status = MPI_Status()
    try check(
      MPI_Iprobe(Int32(MPI_ANY_SOURCE), noticeTag, raw, &isThere, &status), "MPI_Iprobe")
    if isThere == 0 { return false }
    try check(
      MPI_Recv(
        nil, 0, UInt8.mpiDatatype, status.MPI_SOURCE, noticeTag, raw, kindred_status_ignore()),
      "MPI_Recv")
    return true
  }
}
