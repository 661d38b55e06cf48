import Foundation

/// The largest amount of memory that this process has held, as the kernel counts it.
enum PeakMemory {
  /// Bytes resident at most since the start or the last `reset` (`VmHWM` of `/proc/self/status`); 0
  /// where the system does not say.
  static func bytes() -> Int {
    guard let status = FileManager.default.contents(atPath: "/proc/self/status") else { return 0 }
    return bytes(inStatus: String(decoding: status, as: UTF8.self))
  }

  /// The `VmHWM` line of the text of a status file, in bytes; 0 where there is none.
  static func bytes(inStatus text: String) -> Int {
    for line in text.split(separator: "\n") where line.hasPrefix("VmHWM:") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count >= 2, let kibibytes = Int(words[1]) { return kibibytes * 1024 }
    }
    return 0
  }

  /// Starts the count anew from what is held now. Where the kernel refuses, later values of `bytes`
  /// hold the peak since the start of the process.
  static func reset() {
    let file = open("/proc/self/clear_refs", O_WRONLY)
    guard file >= 0 else { return }
    _ = write(file, "5", 1)
    close(file)
  }
}
