import Foundation
import MPI
import Report

/// A failure of one rank on purpose, to try what a job does then, as `KINDRED_FAULT` asks.
///
/// `RANK:PLACE` makes that rank throw when `average` comes to that place, while the other ranks go on and wait
/// for it. `RANK:KIND:N` lets it happen when the rank asks for the Nth time whether it should stop: a signal
/// (`USR1`, `TERM`, `KILL`, `STOP`, `SEGV` and so on), `trap` (a failed check of Swift's), `memory` (more
/// than there is) or `hang` (no more work, nothing said). `RANK:KIND:N:STAGE` counts from the beginning of that
/// stage, and fails within it: how often a rank asks before depends on its share of work that ranks divide as
/// they go.
struct InjectedFault: Error, CustomStringConvertible {
  enum Place: String {
    /// Before the images are read.
    case model
    /// Between the neighbours and the averages.
    case averages
  }

  let place: Place
  var description: String { "a fault at \(place.rawValue), as KINDRED_FAULT asks" }

  /// Its parts; a stage's name may hold a colon itself.
  private static var asked: [Substring] {
    (ProcessInfo.processInfo.environment["KINDRED_FAULT"] ?? "").split(
      separator: ":", maxSplits: 3)
  }

  static func throwIfAsked(at place: Place, on comm: Communicator) throws {
    if asked == ["\(comm.rank)", Substring(place.rawValue)] { throw InjectedFault(place: place) }
  }

  private static let signals: [Substring: Int32] = [
    "USR1": SIGUSR1, "TERM": SIGTERM, "KILL": SIGKILL, "STOP": SIGSTOP, "ILL": SIGILL,
    "TRAP": SIGTRAP, "ABRT": SIGABRT, "SEGV": SIGSEGV, "BUS": SIGBUS, "FPE": SIGFPE,
  ]

  /// Lets a fault happen when this rank asks `stop` for the Nth time, of all or in one stage, if that is what is
  /// asked for.
  static func happenIfAsked(by stop: StopRequest, in clock: StageClock, on comm: Communicator) {
    let parts = asked
    guard parts.count >= 3, parts[0] == "\(comm.rank)", let poll = Int(parts[2]) else { return }
    let kind = parts[1]
    guard ["trap", "memory", "hang"].contains(kind) || signals[kind] != nil else { return }
    let stage = parts.count > 3 ? String(parts[3]) : nil
    var polls = 0
    stop.whenPolled = { _ in
      if let stage, clock.stage != stage { return }
      polls += 1
      if polls == poll { happen(kind) }
    }
  }

  private static func happen(_ kind: Substring) {
    switch kind {
    case "trap":
      let none = [Int](CommandLine.arguments.indices.prefix(0))
      writeToStandardError("\(none[CommandLine.arguments.count])")
    case "memory":
      // Half of the addresses that there are.
      UnsafeMutableRawPointer.allocate(byteCount: 1 << 46, alignment: 16).deallocate()
    case "hang": while true { sleep(1) }
    default: raise(signals[kind]!)
    }
  }
}
