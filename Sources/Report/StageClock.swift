import ClassAveraging
import MPI

/// Times the stages of a run on this rank: wall time, time in communication, peak memory.
///
/// Every rank has one; the one with a `display` (rank 0's) also shows the progress. `finish` brings
/// the ranks' accounts together.
public final class StageClock: StageObserver {
  /// Is told of all progress.
  public var watchdog: Watchdog?
  private let display: ProgressDisplay?
  private let now: () -> Double
  private var names: [String] = []
  private var measurements: [StageTable.Measurement] = []
  private var isOpen = false
  private var began = 0.0
  private var communication = 0.0
  private var isCommunicating = false
  private var peakBeforeReset = 0

  /// A clock that shows progress on `display`, if any.
  public convenience init(display: ProgressDisplay? = nil) {
    self.init(display: display, now: Communicator.wallTime)
  }

  /// A clock for this rank of `comm`: rank 0 shows progress on standard error.
  public convenience init(_ comm: Communicator) {
    self.init(display: comm.isRoot ? ProgressDisplay() : nil)
  }

  init(display: ProgressDisplay?, now: @escaping () -> Double) {
    self.display = display
    self.now = now
  }

  /// Begins a stage; one that is still open ends.
  public func stageBegan(_ name: String, items: Int) {
    if isOpen { stageEnded() }
    isOpen = true
    names.append(name)
    watchdog?.entered(name)
    communication = 0
    peakBeforeReset = max(peakBeforeReset, PeakMemory.bytes())
    PeakMemory.reset()
    display?.began(name, items: items)
    began = now()
  }

  public func stageAdvanced(to done: Int) {
    watchdog?.advanced()
    display?.advanced(to: done)
  }

  /// Runs `body` and counts its time as communication; stretches inside one another count once.
  public func communicating<R>(_ body: () throws -> R) rethrows -> R {
    guard !isCommunicating else { return try body() }
    isCommunicating = true
    watchdog?.communicates(true)
    let start = now()
    defer {
      watchdog?.communicates(false)
      communication += now() - start
      isCommunicating = false
    }
    return try body()
  }

  public func stageEnded() {
    guard isOpen else { return }
    isOpen = false
    watchdog?.advanced()
    measurements.append(
      StageTable.Measurement(
        wall: now() - began, communication: communication,
        peakBytes: Double(PeakMemory.bytes())))
    display?.ended()
  }

  /// The largest memory of this rank so far, in bytes, inside or outside stages.
  public var peakBytes: Int { max(peakBeforeReset, PeakMemory.bytes()) }

  /// The stages' costs over all ranks, on every rank; collective. An open stage ends.
  ///
  /// Every rank must have been told of the same stages. Throws `MPIError`.
  public func finish(_ comm: Communicator) throws -> StageTable {
    if isOpen { stageEnded() }
    let stages = names.count
    let counts = try comm.allgather([stages])
    precondition(counts.allSatisfy { $0 == stages }, "the ranks went through different stages")
    let numbers = try comm.allgather(
      measurements.flatMap { [$0.wall, $0.communication, $0.peakBytes] })
    let perRank = (0..<comm.size).map { rank in
      (0..<stages).map { stage in
        let at = 3 * (rank * stages + stage)
        return StageTable.Measurement(
          wall: numbers[at], communication: numbers[at + 1], peakBytes: numbers[at + 2])
      }
    }
    return StageTable(names: names, measurements: perRank)
  }
}

extension StageClock {
  /// Starts the watchdog of a run into the folder `output`, unless `KINDRED_WATCHDOG` is 0. Collective.
  /// - Throws: `ReportedError` where `KINDRED_WATCHDOG` is not a number.
  public func watch(_ output: String, on comm: Communicator) throws {
    guard let seconds = try comm.agree({ try Watchdog.seconds() }) else { return }
    watchdog = try Watchdog(output: output, seconds: seconds, on: comm)
  }
}
