import Foundation
import ParticleIO
import TestSupport
import Testing

@Suite struct STARTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ text: String) throws -> STARFile {
    try STARFile.read(path: folder.write(text, to: "a.star"))
  }

  @Test(arguments: ["\n", "\r\n"]) func loopsListsQuotesAndCommentsAreRead(newline: String) throws {
    let text = """
      # made by hand

      data_general
      _rlnOutputRootName   'Class2D/job 6/run'   # a comment
      _rlnCurrentIteration     25

      data_

      loop_
      _rlnMicrographName #1
      _rlnDefocusU
      _rlnComment #3
        data_1.mrc  1.5e4 "two words"
      _2.mrc +0.25 ""

      # in between
      "loop_"\t-3 5'-end # at the end
      data_last
      loop_
      _rlnVoltage #1
      """
    let star = try read(text.replacingOccurrences(of: "\n", with: newline))
    #expect(star.tables.map(\.name) == ["general", "", "last"])
    let general = try #require(star.table("general"))
    #expect(try general.string("rlnOutputRootName", row: 0) == "Class2D/job 6/run")
    #expect(try general.int("rlnCurrentIteration", row: 0) == 25)
    #expect(general.rowCount == 1)
    let loop = star.tables[1]
    #expect(loop.labels == ["rlnMicrographName", "rlnDefocusU", "rlnComment"])
    #expect(try loop.strings("rlnMicrographName") == ["data_1.mrc", "_2.mrc", "loop_"])
    #expect(try loop.doubles("rlnDefocusU") == [15000, 0.25, -3])
    #expect(try loop.strings("rlnComment") == ["two words", "", "5'-end"])
    #expect((0..<3).map(loop.line(ofRow:)) == [13, 14, 17])
    #expect(star.tables[2].rowCount == 0)
    // Columns in any order, one of them twice, in one pass.
    var seen: [String] = []
    try loop.forEachRow([2, 1, 2]) { index, row in
      seen.append("\(index)\(row.string(0))\(try row.double(1))\(row.string(2))")
    }
    #expect(seen == ["0two words15000.0two words", "10.25", "25'-end-3.05'-end"])
  }

  @Test(arguments: [
    ("hello\n", "a.star:1: found \"hello\" where a table"),
    ("# nothing\n\n", "holds no table"),
    ("data_a\nloop_\n_x #1\n_y #2\n1 2\n3\n", "a.star:6: column y: missing: the row has 1 values"),
    ("data_a\nloop_\n_x #1\n_y #2\n1 2\n3 4 5\n", "a.star:6: the row has 3 values"),
    ("data_a\nloop_\n_x\n_x\n1 2\n", "a.star:4: column x: occurs twice in data_a"),
    ("data_a\nloop_\n_x\n'never closed\n", "a.star:4: a quote is never closed"),
    ("data_a\n_x 1 2\n", "a.star:2: column x: has more than one value"),
    ("data_a\n_x\n_y 1\n", "a.star:2: column x: has no value"),
    ("data_a\n1 2\n", "a.star:2: found \"1\" where a label"),
    ("data_a\nloop_\n1 2\n", "a.star:3: found \"1\" where a label"),
    ("loop_\n_x\n1\n", "a.star:1: loop_ without data_"),
  ]) func malformedFilesAreRefusedWithTheirLine(text: String, expected: String) throws {
    let text = message { _ = try read(text) }
    #expect(text.contains(expected), "\(text)")
  }

  @Test(arguments: ["abc", "1.2.3", "nan", "inf", "0x10", "1e999", "12,5", "-", "1e", "\"\""])
  func whatIsNoFiniteNumberIsRefusedWithLineAndColumn(cell: String) throws {
    let table = try read("data_a\nloop_\n_x\n_y\n1 2\n3 \(cell)\n").tables[0]
    let found = cell == "\"\"" ? "" : cell
    #expect(
      message { _ = try table.doubles("y") }
        == "\(folder.file("a.star")):6: column y: found \"\(found)\", a number expected")
  }

  @Test func integersAndColumnsAreChecked() throws {
    let table = try read("data_a\nloop_\n_x\n7.000\n2.5\n").tables[0]
    #expect(try table.int("x", row: 0) == 7)
    #expect(
      message { _ = try table.ints("x") }.hasSuffix(
        ":5: column x: found \"2.5\", an integer expected"))
    #expect(
      message { _ = try table.doubles("y") }.hasSuffix(":1: column y: missing in table data_a"))
  }

  @Test func writtenTablesComeBack() throws {
    let path = folder.file("out.star")
    let numbers = [0, 1, -1, 0.07, 1e-12, 12345.678901, -0.000123456789, 121_186.804688, 2.5e12]
    let texts = [
      "000001@a b.mrcs", "plain", "", "_under", "#hash", "data_x", "it's", "say \"no\" to", "'q",
    ]
    let writer = try STARWriter(path: path)
    try writer.beginTable("optics", labels: ["rlnOpticsGroup"])
    try writer.append([1])
    try writer.beginTable("particles", labels: ["rlnText", "rlnNumber", "rlnIndex"])
    for (i, (text, number)) in zip(texts, numbers).enumerated() {
      try writer.append([.string(text), .double(number), .int(i)])
    }
    #expect(message { try writer.append(["two\nlines", 0, 0]) }.contains("cannot hold"))
    try writer.finish()
    let star = try STARFile.read(path: path)
    #expect(try star.table("optics")?.ints("rlnOpticsGroup") == [1])
    let table = try #require(star.table("particles"))
    #expect(try table.doubles("rlnNumber") == numbers)
    #expect(try table.strings("rlnText") == texts)
    #expect(try table.ints("rlnIndex") == Array(numbers.indices))
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.starts(with: ["# version 30001", "data_optics", "loop_", "_rlnOpticsGroup #1"]))
  }
}
