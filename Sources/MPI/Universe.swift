import COpenMPI
import CShims
import Foundation
import Synchronization

/// MPI's lifetime, as one value: `Universe.run` starts MPI, runs the program and ends it.
public enum Universe {
  /// Who speaks, and how; as `run` was told.
  fileprivate static let speaker = Mutex(ErrorSpeaker())

  /// Starts MPI on this thread if it has not been started, and returns the communicator of all ranks.
  ///
  /// A process that was not started by `mpirun` is the only rank. MPI's errors come back as
  /// `MPIError`.
  public static func world() throws(MPIError) -> Communicator {
    // Two tests may ask at once; the program itself asks on one thread.
    startLock.lock()
    defer { startLock.unlock() }
    var started: Int32 = 0
    MPI_Initialized(&started)
    if started == 0 {
      var granted: Int32 = 0
      try check(
        MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &granted), "MPI_Init_thread")
      try check(
        MPI_Comm_set_errhandler(kindred_comm_world(), kindred_errors_return()),
        "MPI_Comm_set_errhandler")
    }
    return try Communicator(kindred_comm_world())
  }

  private static let startLock = NSLock()

  /// Has MPI end in order when the process exits, for programs that `run` does not drive (tests). Every
  /// rank must come to its exit.
  public static func finalizeAtExit() {
    atexit {
      var (started, ended): (Int32, Int32) = (0, 0)
      MPI_Initialized(&started)
      MPI_Finalized(&ended)
      if started != 0 && ended == 0 { MPI_Finalize() }
    }
  }

  /// Ends MPI; collective, and the last MPI call of the process.
  public static func finalize() throws(MPIError) {
    try check(MPI_Finalize(), "MPI_Finalize")
  }

  /// Runs `body` on all ranks and ends the process on an error.
  ///
  /// - An error that `Communicator.agree` has already reported (`ReportedError`) ends every rank in
  ///   order: MPI is finalised and the process exits.
  /// - Any other error is printed with this rank's number and ends the whole job at once
  ///   (`MPI_Abort`), so that no rank waits in a collective for one that has gone.
  /// - An `Interruption` ends the job in the same way, but is not called an error.
  /// - A rank that a trap or another fault ends (a signal such as SIGILL or SIGSEGV) says so with its number
  ///   and host; `mpirun` then ends the others. Ranks whose `mpirun` has died end by themselves (on Linux).
  /// - Ranks that are ended so, or by SIGTERM, SIGINT or SIGHUP, remove their temporary files first.
  ///
  /// - Parameters:
  ///   - speaker: words what is printed, and says with which status an error ends the process.
  ///   - body: the program.
  public static func run(
    _ speaker: ErrorSpeaker = ErrorSpeaker(), _ body: (Communicator) throws -> Void
  ) {
    speak(by: speaker)
    kindred_remove_temporaries_when_ended()
    do {
      let world = try world()
      kindred_name_failures("\(speaker.name): error: \(world.place)")
      // Only what mpirun has started: another parent may be a shell that a user leaves.
      if world.size > 1 && getenv("OMPI_COMM_WORLD_SIZE") != nil { kindred_end_with_parent() }
      do { try body(world) } catch { end(error) }
      try finalize()
    } catch {
      speaker.tell(error)
      exit(speaker.status(error))
    }
  }

  /// From now on errors that one rank tells for all are worded so; `run` begins with it.
  package static func speak(by speaker: ErrorSpeaker) { self.speaker.withLock { $0 = speaker } }

  /// Ends this process, and with it the job, by an error, as `run` says.
  private static func end(_ error: any Error) -> Never {
    let world = try? world()
    let (rank, size) = (world?.rank ?? 0, world?.size ?? 1)
    let speaker = speaker.withLock { $0 }
    let status = speaker.status(error)
    var isAgreed = false
    switch error {
    case is ReportedError: isAgreed = true
    case let end as Interruption:
      isAgreed = end.isAgreed
      if rank == 0 || !isAgreed {
        writeToStandardError("\(speaker.name): \(speaker.describe(end))\n")
      }
    default: speaker.tell(error, at: size > 1 ? world?.place ?? "rank \(rank)" : nil)
    }
    kindred_remove_temporaries()
    if !isAgreed && size > 1 { MPI_Abort(kindred_comm_world(), status) }
    MPI_Finalize()
    exit(status)
  }
}

/// An error that has been printed already, on one rank, for all.
public struct ReportedError: Error, Sendable {
  /// Carries nothing: all has been said.
  public init() {}
}

/// Writes straight to the file descriptor: `stderr` is shared mutable state to Swift.
public func writeToStandardError(_ text: String) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let written = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    if written <= 0 { return }
    bytes = bytes.dropFirst(written)
  }
}

extension Communicator {
  /// Runs `body`, which may fail on any rank, and lets every rank know: one message, from the lowest
  /// rank that failed, and a `ReportedError` on all. Collective; `body` must not wait for other
  /// ranks after a point where it can throw. An `Interruption` passes at once: it ends all ranks anyway.
  public func agree<Result>(_ body: () throws -> Result) throws -> Result {
    var outcome: Swift.Result<Result, any Error>
    do { outcome = .success(try body()) } catch let end as Interruption { throw end } catch {
      outcome = .failure(error)
    }
    let mine: Int
    if case .failure = outcome { mine = rank } else { mine = size }
    let first = try allreduce(mine, .minimum)
    if first == size { return try outcome.get() }
    if first == rank, case .failure(let error) = outcome, !(error is ReportedError) {
      Universe.speaker.withLock { $0 }.tell(error)
    }
    throw ReportedError()
  }
}
