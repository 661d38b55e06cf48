import Foundation

/// What a rank lets the others know of itself, in a small file that it writes again and again.
struct RankState: Equatable {
  /// What a rank does at the moment.
  enum Activity: Equatable {
    /// Inside communication: a function of MPI, or a library's.
    case waiting(String)
    case computing
    /// Inside the kernel, in a call that cannot be interrupted.
    case blocked
  }

  /// Grows with every writing.
  var beat = 0
  /// Seconds without progress, by the rank's own clock.
  var idle = 0.0
  var activity = Activity.computing
  var stage = ""

  /// The length of the file, the same for all states: it is overwritten, never cut.
  static let byteCount = 256

  /// The file's content: `beat TAB idle TAB activity TAB stage`, filled up with spaces, and a line feed.
  var bytes: [UInt8] {
    let code =
      switch activity {
      case .waiting(let call): "waiting in \(call)"
      case .computing: "computing"
      case .blocked: "blocked"
      }
    let text = "\(beat)\t\(Int(idle))\t\(code)\t\(stage)"
    var bytes = Array(text.utf8.prefix(Self.byteCount - 1))
    bytes += [UInt8](repeating: 0x20, count: Self.byteCount - 1 - bytes.count)
    return bytes + [0x0a]
  }

  init(beat: Int = 0, idle: Double = 0, activity: Activity = .computing, stage: String = "") {
    self.beat = beat
    self.idle = idle
    self.activity = activity
    self.stage = stage
  }

  /// Nil where the file is not whole.
  init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    let parts = String(decoding: bytes, as: UTF8.self).split(
      separator: "\t", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, let beat = Int(parts[0]), let idle = Double(parts[1]) else {
      return nil
    }
    self.beat = beat
    self.idle = idle
    stage = parts[3].trimmingCharacters(in: .whitespacesAndNewlines)
    let waiting = "waiting in "
    if parts[2].hasPrefix(waiting) {
      activity = .waiting(String(parts[2].dropFirst(waiting.count)))
    } else {
      activity = parts[2] == "blocked" ? .blocked : .computing
    }
  }
}
