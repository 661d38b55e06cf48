import Foundation
import TestSupport

/// A program that has been started: mpirun, or kindred itself.
struct RunningCommand {
  let process: Int32
  let folder: TemporaryFolder

  /// Standard error so far, of all ranks and of mpirun.
  var messages: String { (try? folder.text("err")) ?? "" }

  var isRunning: Bool { Self.isAlive(process) }

  /// The ranks, in their order, that it has started so far.
  var ranks: [Int32] {
    Self.all.filter { Self.parent($0) == process && Self.line($0).contains("kindred") }.sorted()
  }

  /// The processes that have `text` in their command line.
  static func processes(with text: String) -> [Int32] { all.filter { line($0).contains(text) } }

  /// Waits until `condition` holds, for at most so many seconds; returns whether it does.
  @discardableResult
  static func wait(_ seconds: Double, for condition: () -> Bool) -> Bool {
    let end = Date() + seconds
    while !condition() {
      if Date() > end { return false }
      usleep(50_000)
    }
    return true
  }

  private static var all: [Int32] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap(Int32.init)
  }

  private static func line(_ process: Int32) -> String {
    FileManager.default.contents(atPath: "/proc/\(process)/cmdline")
      .map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// The fields of `/proc/PID/stat` after the name: state, parent and so on.
  private static func fields(_ process: Int32) -> [Substring] {
    let text =
      FileManager.default.contents(atPath: "/proc/\(process)/stat")
      .map { String(decoding: $0, as: UTF8.self) } ?? ""
    return text.split(separator: ")").last?.split(separator: " ") ?? []
  }

  private static func parent(_ process: Int32) -> Int32? {
    let fields = fields(process)
    return fields.count > 1 ? Int32(fields[1]) : nil
  }

  private static func isAlive(_ process: Int32) -> Bool {
    let fields = fields(process)
    return !fields.isEmpty && fields[0] != "Z"
  }
}
