import Foundation
import MPI

/// Shows the stages of a run while it goes on: a bar with the time left on a terminal, otherwise a
/// line with a time stamp when a stage begins and when it ends.
public final class ProgressDisplay {
  /// How progress is shown.
  public enum Style: Sendable {
    /// A line that is redrawn in place.
    case bar
    /// Lines that stay, for files.
    case lines
  }

  private let style: Style
  private let write: (String) -> Void
  private let now: () -> Double
  private let date: () -> Date
  private var name = ""
  private var items = 0
  private var began = 0.0
  private var drawn = -Double.infinity

  /// A display on standard error: a bar where that is a terminal, lines elsewhere.
  public convenience init() {
    self.init(style: Self.isOnTerminal ? .bar : .lines, write: writeToStandardError)
  }

  /// Whether what this process writes to standard error is seen on a terminal. A rank writes into a pipe,
  /// and what mpirun, its parent on the first node, does with that shows in mpirun's own standard error.
  private static var isOnTerminal: Bool {
    if isatty(STDERR_FILENO) == 1 { return true }
    guard ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil else { return false }
    let parents = open("/proc/\(getppid())/fd/\(STDERR_FILENO)", O_WRONLY | O_NOCTTY | O_NONBLOCK)
    guard parents >= 0 else { return false }
    defer { close(parents) }
    return isatty(parents) == 1
  }

  /// A display that hands its text to `write`; `now` gives monotonic seconds, `date` the time of day.
  init(
    style: Style, write: @escaping (String) -> Void,
    now: @escaping () -> Double = Communicator.wallTime, date: @escaping () -> Date = { Date() }
  ) {
    self.style = style
    self.write = write
    self.now = now
    self.date = date
  }

  func began(_ name: String, items: Int) {
    self.name = name
    self.items = items
    began = now()
    drawn = -.infinity
    switch style {
    case .bar: draw(done: 0)
    case .lines:
      let extent = items > 0 ? " (\(Format.count(items)) items on this rank)" : ""
      write("\(Format.timeStamp(date()))  \(name): begins\(extent)\n")
    }
  }

  func advanced(to done: Int) {
    if style == .bar { draw(done: done) }
  }

  func ended() {
    let duration = Format.duration(now() - began)
    switch style {
    case .bar: write("\r\(Self.clearLine)\(name): \(duration)\n")
    case .lines: write("\(Format.timeStamp(date()))  \(name): done after \(duration)\n")
    }
  }

  /// Redraws the bar, at most ten times a second: terminals are slow.
  private func draw(done: Int) {
    let time = now()
    guard time - drawn >= 0.1 else { return }
    drawn = time
    write("\r\(Self.clearLine)" + Self.bar(name, done: done, of: items, elapsed: time - began))
  }

  private static let clearLine = "\u{1B}[K"

  /// The bar's text; without a bar where the items are not known.
  static func bar(_ name: String, done: Int, of items: Int, elapsed: Double) -> String {
    guard items > 0 else { return "\(name): \(Format.timeLeft(elapsed))" }
    let cells = 24
    let fraction = min(1, Double(done) / Double(items))
    let full = Int(Double(cells) * fraction)
    let bar = String(repeating: "=", count: full) + String(repeating: " ", count: cells - full)
    let percentage = Format.right("\(Int(100 * fraction))", 3)
    let left = timeLeft(done: done, of: items, elapsed: elapsed)
    return "\(name) [\(bar)] \(percentage) %" + (left.map { ", \(Format.timeLeft($0)) left" } ?? "")
  }

  /// Seconds until all items are done at the mean pace so far; nil before the first.
  static func timeLeft(done: Int, of items: Int, elapsed: Double) -> Double? {
    guard done > 0 else { return nil }
    return elapsed * Double(max(0, items - done)) / Double(done)
  }
}
