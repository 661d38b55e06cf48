import CShims
import Foundation
import MPI
import Synchronization

/// Says on standard error when the run has not got on for some time, and which ranks wait for which.
///
/// A thread of each rank writes the rank's state into a small file in the folder `.progress` of the output
/// every few seconds. A rank that has seen no progress of its own for too long reads all of them. One that
/// is stopped, or whose node has gone, is known by a file that no longer changes. MPI is not used: it may be
/// what hangs, and belongs to the main thread. Clocks of two ranks are never compared.
public final class Watchdog: Sendable {
  /// Seconds without progress before it speaks, unless told otherwise; twice, four times ... as long before it speaks
  /// again. More than any stage takes between two signs of life.
  public static let defaultSeconds = 300.0

  private let rank: Int
  private let hosts: [String]
  private let limit: Double
  private let folder: String
  private let report: @Sendable ([String]) -> Void
  private let steps = Atomic<Int>(0)
  private let isCommunicating = Atomic<Bool>(false)
  private let stage = Mutex("")
  private let isOver = DispatchSemaphore(value: 0)
  private let hasEnded = DispatchSemaphore(value: 0)

  /// Seconds between two writings.
  private var period: Double { min(30, limit / 10) }

  /// Starts watching. Collective.
  /// - Parameters:
  ///   - output: the folder of the run; it must be there, shared by all nodes.
  ///   - seconds: of no progress, after which it speaks; positive.
  ///   - comm: the ranks that are watched.
  ///   - report: given the lines that there are to say, on one rank.
  public init(
    output: String, seconds: Double, on comm: Communicator,
    report: @escaping @Sendable ([String]) -> Void
  ) throws {
    rank = comm.rank
    let names = try comm.allgatherRagged(Array((Communicator.hostName + "\n").utf8))
    hosts = String(decoding: names, as: UTF8.self).split(separator: "\n").map(String.init)
    limit = seconds
    folder = "\(output)/.progress"
    self.report = report
    let thread = Thread { [self] in watch() }
    thread.stackSize = 1 << 20
    thread.start()
  }

  // MARK: What the main thread tells; cheap.

  func advanced() { steps.wrappingAdd(1, ordering: .relaxed) }

  func entered(_ name: String) {
    stage.withLock { $0 = name }
    advanced()
  }

  func communicates(_ yes: Bool) { isCommunicating.store(yes, ordering: .relaxed) }

  /// Ends the watching and removes this rank's file.
  public func stop() {
    isOver.signal()
    hasEnded.wait()
  }

  // MARK: The thread

  private func file(_ rank: Int) -> String { "\(folder)/rank-\(rank)" }

  /// The clock of this rank, in seconds.
  private static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

  private func watch() {
    if rank == 0 { removeOthers() }
    // A signal that ends the rank removes them as well, the file first.
    let temporaries = [kindred_temporary_add(file(rank)), kindred_temporary_add(folder)]
    defer {
      unlink(file(rank))
      rmdir(folder)
      temporaries.forEach(kindred_temporary_forget)
      hasEnded.signal()
    }
    var own = RankState()
    var (seen, since) = (steps.load(ordering: .relaxed), Self.now)
    var next = limit
    var others = Others(count: hosts.count)
    while isOver.wait(timeout: .now() + period) == .timedOut {
      let steps = steps.load(ordering: .relaxed)
      if steps != seen { (seen, since, next) = (steps, Self.now, limit) }
      own = RankState(
        beat: own.beat + 1, idle: Self.now - since, activity: activity, stage: stage.withLock { $0 }
      )
      write(own)
      // Silence takes a few beats to be told from a slow disk.
      guard own.idle >= next - 6 * period else { continue }
      for rank in hosts.indices { others.heard(read(rank), of: rank, at: Self.now) }
      guard own.idle >= next else { continue }
      let alive = hosts.indices.map { others.isAlive($0, at: Self.now, within: 5 * period) }
      if hosts.indices.contains(where: { alive[$0] && others.states[$0]!.idle < limit / 2 }) {
        continue
      }
      next = 2 * own.idle
      // One rank speaks for all.
      guard alive.firstIndex(of: true) == rank else { continue }
      report(
        StallReport(
          ranks: hosts.indices.map {
            .init(host: hosts[$0], state: others.states[$0], isAlive: alive[$0])
          }, seconds: own.idle
        ).lines)
    }
  }

  private var activity: RankState.Activity {
    if let call = MPIActivity.current { return .waiting("MPI: \(call)") }
    if isCommunicating.load(ordering: .relaxed) { return .waiting("communication") }
    let status = FileManager.default.contents(atPath: "/proc/self/stat") ?? Data()
    // The state follows the name, which is in brackets.
    let state = String(decoding: status, as: UTF8.self).split(separator: ")").last?.first {
      $0 != " "
    }
    return state == "D" ? .blocked : .computing
  }

  /// A failure is no error: the file matters only to a run that is in trouble.
  private func write(_ state: RankState) {
    mkdir(folder, 0o777)
    let descriptor = open(file(rank), O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    if descriptor < 0 { return }
    // Closed each time: then a network file system shows it to the other nodes.
    defer { close(descriptor) }
    state.bytes.withUnsafeBytes { _ = pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  /// Removes what the ranks of a larger run left that were killed.
  private func removeOthers() {
    let own = Set(hosts.indices.map { "rank-\($0)" })
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where !own.contains(name) { unlink("\(folder)/\(name)") }
  }

  private func read(_ rank: Int) -> RankState? {
    let descriptor = open(file(rank), O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: RankState.byteCount)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    return count == bytes.count ? RankState(bytes) : nil
  }

  /// What a rank has read of all.
  private struct Others {
    private(set) var states: [RankState?]
    /// When the beat was last seen to change, by the reader's clock.
    private var changed: [Double]

    init(count: Int) {
      states = .init(repeating: nil, count: count)
      changed = .init(repeating: -.infinity, count: count)
    }

    mutating func heard(_ state: RankState?, of rank: Int, at time: Double) {
      guard let state else { return }
      // The first reading proves nothing: it may be old.
      if let known = states[rank], known.beat != state.beat { changed[rank] = time }
      states[rank] = state
    }

    func isAlive(_ rank: Int, at time: Double, within seconds: Double) -> Bool {
      time - changed[rank] <= seconds
    }
  }
}
