/// A table as lines for people: the first column at the left if it holds words, the others at the right.
public struct TextTable {
  /// The columns' titles.
  public let header: [String]
  /// The rows, a text for each column.
  public let rows: [[String]]
  /// Whether the first column is at the left.
  public let startsWithWords: Bool

  /// A table of these rows.
  public init(header: [String], rows: [[String]], startsWithWords: Bool = false) {
    (self.header, self.rows, self.startsWithWords) = (header, rows, startsWithWords)
  }

  /// The lines, a rule under the header. Ends with a newline.
  public var text: String {
    let widths = header.indices.map { column in
      ([header] + rows).map { $0[column].count }.max()!
    }
    func line(_ cells: [String]) -> String {
      cells.indices.map { column in
        column == 0 && startsWithWords
          ? Format.left(cells[column], widths[column]) : Format.right(cells[column], widths[column])
      }.joined(separator: "  ")
    }
    let rule = String(repeating: "-", count: widths.reduce(0, +) + 2 * (widths.count - 1))
    return ([line(header), rule] + rows.map(line)).joined(separator: "\n") + "\n"
  }
}
