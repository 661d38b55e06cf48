import Foundation

/// Texts for people: durations, times of day, numbers.
public enum Format {
  /// Seconds as `0.42 s`, `12.3 s`, `3 min 05 s` or `2 h 07 min`.
  public static func duration(_ seconds: Double) -> String {
    if seconds < 9.995 { return fixed(max(seconds, 0), 2) + " s" }
    if seconds < 59.95 { return fixed(seconds, 1) + " s" }
    let whole = Int(seconds.rounded())
    if whole < 3600 { return "\(whole / 60) min \(twoDigits(whole % 60)) s" }
    let minutes = Int((seconds / 60).rounded())
    return "\(minutes / 60) h \(twoDigits(minutes % 60)) min"
  }

  /// Time left in coarse words, `1 min 20 s`: an estimate needs no fractions of a second.
  public static func timeLeft(_ seconds: Double) -> String {
    seconds < 59.5 ? "\(Int(max(seconds, 0).rounded())) s" : duration(seconds)
  }

  /// A number with `digits` digits after the point.
  public static func fixed(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// A fraction as `12.3 %`.
  public static func percent(_ fraction: Double) -> String { fixed(100 * fraction, 1) + " %" }

  /// A count with separators, `100,000`.
  public static func count(_ value: Int) -> String {
    var digits = String(abs(value))
    var position = digits.count - 3
    while position > 0 {
      digits.insert(",", at: digits.index(digits.startIndex, offsetBy: position))
      position -= 3
    }
    return value < 0 ? "-" + digits : digits
  }

  /// A moment in ISO 8601, in UTC: `2026-01-02T03:04:05Z`.
  public static func timeStamp(_ date: Date) -> String { date.formatted(.iso8601) }

  /// `text` with spaces before it up to `width` characters.
  public static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// `text` with spaces after it up to `width` characters.
  public static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
