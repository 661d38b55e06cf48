import Execution
import MPI

/// Times the stages of a run on this rank: wall time, time in communication, processor time of the work, peak
/// memory, messages.
///
/// Every rank has one; the one with a `display` (rank 0's) also shows the progress. `finish` brings
/// the ranks' accounts together.
public final class StageClock: StageObserver {
  /// Is told of all progress.
  public var watchdog: Watchdog?
  private let display: ProgressDisplay?
  private let now: () -> Double
  /// What the rank sends; nil where only stretches of `communicating` count.
  private let traffic: Traffic?
  private let origin: Double
  private var names: [String] = []
  private var measurements: [StageTable.Measurement] = []
  private var isOpen = false
  private var began = 0.0
  private var communication = 0.0
  /// Processor seconds within the stretches of `communicating`.
  private var communicationProcessor = 0.0
  /// What calls of MPI inside these stretches took: counted with them already.
  private var inside = TrafficCount()
  private var atBegin = TrafficCount()
  private var processorAtBegin = 0.0
  private var isCommunicating = false
  private var peakBeforeReset = 0

  /// A clock that shows progress on `display`, if any.
  public convenience init(display: ProgressDisplay? = nil) {
    self.init(display: display, now: Communicator.wallTime)
  }

  /// A clock for this rank of `comm`: rank 0 shows progress on standard error.
  public convenience init(_ comm: Communicator) {
    self.init(
      display: comm.isRoot ? ProgressDisplay() : nil, traffic: comm.traffic,
      now: Communicator.wallTime)
  }

  /// A clock for this rank of `comm` that shows nothing.
  public convenience init(silentOn comm: Communicator) {
    self.init(display: nil, traffic: comm.traffic, now: Communicator.wallTime)
  }

  init(display: ProgressDisplay?, traffic: Traffic? = nil, now: @escaping () -> Double) {
    self.display = display
    self.traffic = traffic
    self.now = now
    origin = now()
  }

  /// The stage that is under way; nil between stages.
  public var stage: String? { isOpen ? names.last : nil }

  /// Wall time in seconds since the clock was made.
  public var elapsedSeconds: Double { now() - origin }

  /// Begins a stage; one that is still open ends.
  public func stageBegan(_ name: String, items: Int) {
    if isOpen { stageEnded() }
    isOpen = true
    names.append(name)
    watchdog?.entered(name)
    communication = 0
    communicationProcessor = 0
    inside = TrafficCount()
    peakBeforeReset = max(peakBeforeReset, PeakMemory.bytes())
    PeakMemory.reset()
    display?.began(name, items: items)
    atBegin = TrafficCount(traffic)
    processorAtBegin = ProcessorTime.process()
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
    let (start, processor, before) = (now(), ProcessorTime.thread(), TrafficCount(traffic))
    defer {
      watchdog?.communicates(false)
      communication += now() - start
      communicationProcessor += ProcessorTime.thread() - processor
      inside += TrafficCount(traffic) - before
      isCommunicating = false
    }
    return try body()
  }

  public func stageEnded() {
    guard isOpen else { return }
    isOpen = false
    watchdog?.advanced()
    let wall = now() - began
    let processor = ProcessorTime.process() - processorAtBegin
    let all = TrafficCount(traffic) - atBegin
    // Calls of MPI count as communication wherever they are made.
    let outside = all - inside
    measurements.append(
      StageTable.Measurement(
        wall: wall, communication: min(wall, communication + outside.seconds),
        peakBytes: Double(PeakMemory.bytes()),
        processor: max(0, processor - communicationProcessor - outside.processorSeconds),
        messages: Double(all.messages), messageBytes: Double(all.bytes)))
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
      measurements.flatMap {
        [$0.wall, $0.communication, $0.peakBytes, $0.processor, $0.messages, $0.messageBytes]
      })
    let perRank = (0..<comm.size).map { rank in
      (0..<stages).map { stage in
        let at = 6 * (rank * stages + stage)
        return StageTable.Measurement(
          wall: numbers[at], communication: numbers[at + 1], peakBytes: numbers[at + 2],
          processor: numbers[at + 3], messages: numbers[at + 4], messageBytes: numbers[at + 5])
      }
    }
    return StageTable(names: names, measurements: perRank)
  }
}

/// A `Traffic` at one moment, or the difference of two.
private struct TrafficCount {
  var messages = 0
  var bytes = 0
  var seconds = 0.0
  var processorSeconds = 0.0

  init() {}

  init(_ traffic: Traffic?) {
    guard let traffic else { return }
    messages = traffic.messages
    bytes = traffic.bytes
    seconds = traffic.seconds
    processorSeconds = traffic.processorSeconds
  }

  static func - (left: Self, right: Self) -> Self {
    var result = left
    result.messages -= right.messages
    result.bytes -= right.bytes
    result.seconds -= right.seconds
    result.processorSeconds -= right.processorSeconds
    return result
  }

  static func += (left: inout Self, right: Self) {
    left.messages += right.messages
    left.bytes += right.bytes
    left.seconds += right.seconds
    left.processorSeconds += right.processorSeconds
  }
}
