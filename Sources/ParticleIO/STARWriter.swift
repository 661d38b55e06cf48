import Foundation

/// A value of a STAR table.
public enum STARValue: Sendable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral
{
  /// A whole number.
  case int(Int)
  /// A number.
  case double(Double)
  /// A word, quoted where the file needs it.
  case string(String)

  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
}

/// Writes a STAR file of loop tables, in the style of RELION 3.1.
///
/// The file has a temporary name until `finish`; without `finish` it is removed.
public final class STARWriter {
  private let output: OutputFile
  private var columnCount = 0
  private var line: [UInt8] = []

  /// Starts a file; throws `OutputError`.
  public init(path: String) throws {
    output = try OutputFile(path: path)
  }

  /// Starts a loop table; `labels` without the leading underscore.
  public func beginTable(_ name: String, labels: [String]) throws {
    precondition(!labels.isEmpty, "a table without columns")
    columnCount = labels.count
    var text = "\(output.count == 0 ? "" : "\n")\n# version 30001\n\ndata_\(name)\n\nloop_\n"
    for (i, label) in labels.enumerated() { text += "_\(label) #\(i + 1)\n" }
    try output.append(text)
  }

  /// Appends a row of the current table; one value a column.
  public func append(_ values: [STARValue]) throws {
    precondition(values.count == columnCount, "a row of another length than the table's")
    line.removeAll(keepingCapacity: true)
    for (i, value) in values.enumerated() {
      if i > 0 { line.append(32) }
      switch value {
      case .int(let value): pad(Array(String(value).utf8), to: 12)
      case .double(let value): appendNumber(value)
      case .string(let value): line.append(contentsOf: try quoted(value).utf8)
      }
    }
    line.append(10)
    try line.withUnsafeBytes { try output.append($0) }
  }

  /// Flushes to the disk and gives the file its name; throws `OutputError`.
  public func finish() throws {
    try output.append("\n")
    try output.finish()
  }

  private func pad(_ text: [UInt8], to width: Int) {
    line.append(contentsOf: repeatElement(32, count: max(0, width - text.count)))
    line.append(contentsOf: text)
  }

  /// Six decimals as RELION writes them, or the shortest exact form where six decimals would lose
  /// more than six digits do.
  private func appendNumber(_ value: Double) {
    let size = abs(value)
    guard size == 0 || size >= 1 && size < 1e9 else {
      pad(Array(value.description.utf8), to: 12)
      return
    }
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
      let count = withVaList([value]) { vsnprintf(text.baseAddress, 32, "%12.6f", $0) }
      line.append(contentsOf: text[0..<Int(count)].lazy.map { UInt8(bitPattern: $0) })
    }
  }

  private func quoted(_ value: String) throws -> String {
    let isPlain =
      !value.isEmpty && !value.utf8.contains { $0 <= 32 }
      && !"_#'\";".contains(value.first!) && !value.hasPrefix("data_") && value != "loop_"
    if isPlain { return value }
    let quote = value.contains("\"") ? "'" : "\""
    guard !value.contains(quote), !value.contains(where: \.isNewline) else {
      throw OutputError(file: output.path, "a STAR file cannot hold the value \(value)")
    }
    return quote + value + quote
  }
}
