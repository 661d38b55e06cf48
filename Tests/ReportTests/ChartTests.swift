import Foundation
import Report
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// An element of a document.
private struct Element {
  let name: String
  let attributes: [String: String]
  var words = ""

  func number(_ name: String) -> Double? { attributes[name].flatMap { Double($0) } }
  /// A circle's centre, a text's position.
  var place: SIMD2<Double>? {
    guard let x = number("cx") ?? number("x"), let y = number("cy") ?? number("y") else {
      return nil
    }
    return SIMD2(x, y)
  }
  /// A polyline's.
  var points: [SIMD2<Double>] {
    (attributes["points"] ?? "").split(separator: " ").map { pair in
      let numbers = pair.split(separator: ",").compactMap { Double($0) }
      return SIMD2(numbers[0], numbers[1])
    }
  }
}

/// The elements of a document, which must be well formed.
private final class ElementReader: NSObject, XMLParserDelegate {
  private(set) var elements: [Element] = []
  private var open: [Int] = []

  static func elements(of document: String) throws -> [Element] {
    let reader = ElementReader()
    let parser = XMLParser(data: Data(document.utf8))
    parser.delegate = reader
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
    return reader.elements
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    open.append(elements.count)
    elements.append(Element(name: name, attributes: attributes))
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    if let last = open.last { elements[last].words += string }
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    open.removeLast()
  }
}

@Suite struct ChartAxisTests {
  private func isClose(_ a: [Double], _ b: [Double]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-9 * max(1, abs($1)) }
  }

  @Test(
    "Marks of a linear axis are at 1, 2 or 5 times powers of ten, from end to end",
    arguments: [
      ([0.31, 0.97], [0, 0.2, 0.4, 0.6, 0.8, 1]), ([1], [0, 0.2, 0.4, 0.6, 0.8, 1]),
      ([7, 3], [0, 2, 4, 6, 8]), ([10], [0, 2, 4, 6, 8, 10]), ([11], [0, 5, 10, 15]),
      ([1234], [0, 500, 1000, 1500]), ([0.012], [0, 0.005, 0.01, 0.015]),
      ([-3, 4], [-4, -2, 0, 2, 4]), ([-10], [-10, -8, -6, -4, -2, 0]),
      ([0], [0, 0.2, 0.4, 0.6, 0.8, 1]), ([], [0, 0.2, 0.4, 0.6, 0.8, 1]),
      ([.nan, .infinity, 40], [0, 10, 20, 30, 40]),
    ] as [([Double], [Double])])
  func linear(values: [Double], marks: [Double]) {
    let axis = ChartAxis("", scale: .linear, holding: values)
    #expect(isClose(axis.marks, marks), "\(axis.marks)")
    #expect(isClose([axis.range.lowerBound, axis.range.upperBound], [marks.first!, marks.last!]))
    for value in values { #expect(axis.holds(value) == value.isFinite) }
    for (at, mark) in marks.enumerated() {
      #expect(abs(axis.place(of: mark) - Double(at) / Double(marks.count - 1)) < 1e-9)
    }
  }

  @Test(
    "Both ends are marks where the range becomes much longer than the values",
    arguments: [
      ([10.005], [0, 2, 4, 6, 8, 10, 12]), ([-0.1, 9.9], [-2, 0, 2, 4, 6, 8, 10]),
    ] as [([Double], [Double])])
  func lengthened(values: [Double], marks: [Double]) {
    let axis = ChartAxis("", scale: .linear, holding: values)
    #expect(isClose(axis.marks, marks), "\(axis.marks)")
    #expect(isClose([axis.range.lowerBound, axis.range.upperBound], [marks.first!, marks.last!]))
  }

  @Test(
    "Marks of a binary axis are powers of two; of long ones every second or third",
    arguments: [
      ([3, 100], [2, 4, 8, 16, 32, 64, 128]), ([4], [4, 8]), ([0.3, 1], [0.25, 0.5, 1]),
      ([8, 0, -2, .nan, 16], [8, 16]), ([], [1, 2]),
      ([1, 4096], (0...12).map { exp2(Double($0)) }),
      ([1, 65536], stride(from: 0, through: 16, by: 2).map { exp2(Double($0)) }),
    ] as [([Double], [Double])])
  func binary(values: [Double], marks: [Double]) {
    let axis = ChartAxis("", scale: .binary, holding: values)
    #expect(isClose(axis.marks, marks), "\(axis.marks)")
    #expect(isClose([axis.range.lowerBound, axis.range.upperBound], [marks.first!, marks.last!]))
    for value in values { #expect(axis.holds(value) == (value.isFinite && value > 0)) }
    for (at, mark) in marks.enumerated() {
      #expect(abs(axis.place(of: mark) - Double(at) / Double(marks.count - 1)) < 1e-9)
    }
  }

  @Test("Values beyond the ends are not held")
  func ends() {
    let axis = ChartAxis("", scale: .linear, holding: [0, 10])
    #expect(axis.holds(0) && axis.holds(10) && !axis.holds(10.01) && !axis.holds(-0.01))
    #expect(!axis.holds(.nan) && !axis.holds(.infinity))
  }

  @Test("Marks are written as counts, as short decimals or as percent")
  func labels() {
    let plain = ChartAxis("", scale: .linear, holding: [1])
    #expect(plain.label(0) == "0" && plain.label(4096) == "4,096" && plain.label(-2000) == "-2,000")
    #expect(plain.label(0.25) == "0.25" && plain.label(3 * 0.2) == "0.6")
    let percent = ChartAxis("", scale: .linear, holding: [1], isPercent: true)
    #expect(percent.label(0.2) == "20 %" && percent.label(3 * 0.2) == "60 %")
    #expect(percent.label(0.005) == "0.5 %" && percent.label(1) == "100 %")
  }
}

@Suite struct SVGPictureTests {
  @Test("Every shape is where it was put")
  func shapes() throws {
    var picture = SVGPicture(width: 300, height: 120.5)
    picture.line(from: [1, 2], to: [3.25, 4.125], colour: "#123456", width: 2)
    picture.path(through: [[0, 0], [10, -5.5], [20, 1e-7]], colour: "red", dashes: [6, 4])
    picture.point(at: [7, 8], colour: "blue", title: "seven")
    picture.rectangle(corner: [5, 6], size: [70, 80], stroke: "black")
    picture.write("up", at: [9, 10], anchor: .end, size: 11, isBold: true, degrees: -90)
    let elements = try ElementReader.elements(of: picture.document)
    try #require(
      elements.map(\.name) == [
        "svg", "rect", "line", "polyline", "circle", "title", "rect", "text",
      ]
    )
    let svg = elements[0].attributes
    #expect(svg["width"] == "300" && svg["height"] == "120.50")
    #expect(svg["viewBox"] == "0 0 300 120.50" && svg["xmlns"] == "http://www.w3.org/2000/svg")
    #expect(
      elements[2].attributes == [
        "x1": "1", "y1": "2", "x2": "3.25", "y2": "4.12", "stroke": "#123456", "stroke-width": "2",
      ])
    #expect(elements[3].points == [[0, 0], [10, -5.5], [20, 0]])
    #expect(elements[3].attributes["fill"] == "none")
    #expect(elements[3].attributes["stroke-dasharray"] == "6 4")
    #expect(elements[4].place == [7, 8] && elements[4].attributes["fill"] == "blue")
    #expect(elements[5].words == "seven")
    let rectangle = ["x", "y", "width", "height"].map { elements[6].number($0) }
    #expect(rectangle == [5, 6, 70, 80])
    #expect(elements[7].place == [9, 10] && elements[7].words == "up")
    #expect(elements[7].attributes["text-anchor"] == "end")
    #expect(elements[7].attributes["font-weight"] == "bold")
    #expect(elements[7].attributes["transform"] == "rotate(-90 9 10)")
    #expect(picture.document.hasSuffix("</svg>\n"))
  }

  @Test("Texts may hold what XML means something by")
  func escaping() throws {
    let words = "a < b && \"c\" > 'd' × é &amp;"
    var picture = SVGPicture(width: 10, height: 10)
    picture.write(words, at: [0, 0])
    picture.point(at: [1, 1], colour: "\"<&>", title: words)
    let elements = try ElementReader.elements(of: picture.document)
    #expect(elements.first { $0.name == "text" }?.words == words)
    #expect(elements.first { $0.name == "title" }?.words == words)
    #expect(elements.first { $0.name == "circle" }?.attributes["fill"] == "\"<&>")
  }

  @Test("A line through fewer than two points is none")
  func shortPaths() throws {
    var picture = SVGPicture(width: 10, height: 10)
    picture.path(through: [], colour: "red")
    picture.path(through: [[1, 1]], colour: "red")
    #expect(try !ElementReader.elements(of: picture.document).contains { $0.name == "polyline" })
  }
}

@Suite struct LineChartTests {
  private let corner = SIMD2(10.0, 20.0)
  private let size = SIMD2(800.0, 300.0)
  private let chart = LineChart(
    title: "Time & <cores>",
    x: ChartAxis("Cores", scale: .binary, holding: [1, 16]),
    y: ChartAxis("Share", scale: .linear, holding: [1], isPercent: true),
    series: [
      .init(
        "a < b", style: .points, colour: "#111111",
        values: [[1, 0], [4, 0.5], [16, 1], [8, .nan], [32, 0.5], [2, 1.5], [0, 0.5]]),
      .init("model", style: .dashed, colour: "#222222", values: [[2, 0.25], [8, 0.75]]),
      .init("ideal", style: .line, colour: "#333333", values: [[1, 1], [16, 1]]),
      .init("alone", style: .points, colour: "#444444", values: [[2, 0.8]]),
    ])

  private func elements() throws -> [Element] {
    var picture = SVGPicture(width: 820, height: 340)
    chart.draw(into: &picture, corner: corner, size: size)
    return try ElementReader.elements(of: picture.document)
  }

  /// The corner and the size of the frame around the plot.
  private func frame(_ elements: [Element]) throws -> (corner: SIMD2<Double>, size: SIMD2<Double>) {
    let frame = try #require(elements.first { $0.name == "rect" && $0.attributes["stroke"] != nil })
    let size = SIMD2(try #require(frame.number("width")), try #require(frame.number("height")))
    return (try #require(frame.place), size)
  }

  private func isAt(_ a: SIMD2<Double>, _ b: SIMD2<Double>) -> Bool {
    abs(a.x - b.x) < 0.011 && abs(a.y - b.y) < 0.011
  }

  @Test("Points are where the axes say, and only those that the axes hold")
  func points() throws {
    let elements = try elements()
    let (corner, size) = try frame(elements)
    // One, four and sixteen cores: 0, 2 and 4 of four octaves; larger shares are further up.
    let expected = [SIMD2(0.0, 1.0), SIMD2(0.5, 0.5), SIMD2(1.0, 0.0)].map { corner + $0 * size }
    let ofFirst = elements.filter { $0.attributes["stroke"] == "#111111" }
    try #require(ofFirst.count == 2 && ofFirst[0].name == "polyline")
    #expect(ofFirst[0].points.count == 3)
    for (point, place) in zip(ofFirst[0].points, expected) { #expect(isAt(point, place)) }
    let circles = elements.indices.filter {
      elements[$0].name == "circle" && elements[$0].attributes["fill"] == "#111111"
    }
    // The last one is the legend's.
    #expect(circles.count == 4)
    for (circle, place) in zip(circles, expected) {
      #expect(isAt(try #require(elements[circle].place), place))
    }
    #expect(
      circles.map { elements[$0 + 1].words }
        == ["a < b: 1, 0 %", "a < b: 4, 50 %", "a < b: 16, 100 %", "a < b"])
    let dashed = try #require(elements.first { $0.attributes["stroke"] == "#222222" })
    #expect(dashed.attributes["stroke-dasharray"] == "6 4")
    try #require(dashed.points.count == 2)
    #expect(isAt(dashed.points[0], corner + SIMD2(0.25, 0.75) * size))
    #expect(isAt(dashed.points[1], corner + SIMD2(0.75, 0.25) * size))
    let plain = try #require(elements.first { $0.attributes["stroke"] == "#333333" })
    #expect(plain.attributes["stroke-dasharray"] == nil)
    try #require(plain.points.count == 2)
    #expect(isAt(plain.points[0], corner) && isAt(plain.points[1], corner + SIMD2(size.x, 0)))
    // Lines alone have no circles; a single point has no line but the legend's.
    #expect(
      !elements.contains {
        $0.name == "circle" && ["#222222", "#333333"].contains($0.attributes["fill"])
      })
    #expect(elements.count { $0.attributes["stroke"] == "#444444" } == 1)
    #expect(elements.count { $0.attributes["fill"] == "#444444" } == 2)
  }

  @Test("Every mark has a line across the plot and its text beside it")
  func marks() throws {
    let elements = try elements()
    let (corner, size) = try frame(elements)
    let lines = elements.filter { $0.name == "line" }
    try #require(lines.count == 5 + 6)
    func text(_ words: String) throws -> Element {
      try #require(elements.first { $0.name == "text" && $0.words == words })
    }
    for (at, words) in ["1", "2", "4", "8", "16"].enumerated() {
      let x = corner.x + size.x * Double(at) / 4
      let label = try text(words)
      #expect(abs(try #require(label.number("x")) - x) < 0.011)
      #expect(try #require(label.number("y")) > corner.y + size.y)
      #expect(label.attributes["text-anchor"] == "middle")
      let (foot, head) = (
        SIMD2(try #require(lines[at].number("x1")), try #require(lines[at].number("y1"))),
        SIMD2(try #require(lines[at].number("x2")), try #require(lines[at].number("y2")))
      )
      #expect(isAt(foot, SIMD2(x, corner.y + size.y)) && isAt(head, SIMD2(x, corner.y)))
    }
    for (at, words) in ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"].enumerated() {
      let y = corner.y + size.y * (1 - Double(at) / 5)
      let label = try text(words)
      #expect(try #require(label.number("x")) < corner.x)
      // The middle of its letters.
      #expect(abs(try #require(label.number("y")) - 4 - y) < 0.011)
      #expect(label.attributes["text-anchor"] == "end")
      let line = lines[5 + at]
      #expect(
        abs(try #require(line.number("y1")) - y) < 0.011 && line.number("y2") == line.number("y1"))
      #expect(line.number("x1") == corner.x && line.number("x2") == corner.x + size.x)
    }
    #expect(try text("Share").attributes["transform"]?.hasPrefix("rotate(-90 ") == true)
    #expect(try text("Cores").attributes["text-anchor"] == "middle")
    #expect(try text("Time & <cores>").attributes["font-weight"] == "bold")
  }

  @Test("The legend names the series from top to bottom, beside the plot and inside the chart")
  func legend() throws {
    let elements = try elements()
    let (plot, plotSize) = try frame(elements)
    var above = plot.y
    for series in chart.series {
      let entry = try #require(elements.first { $0.name == "text" && $0.words == series.label })
      let place = try #require(entry.place)
      #expect(place.x > plot.x + plotSize.x && place.x < corner.x + size.x && place.y > above)
      above = place.y
      // Its sample of the line ends before the text, at the same height.
      let sample = try #require(
        elements.last { $0.name == "polyline" && $0.attributes["stroke"] == series.colour })
      #expect(sample.points.allSatisfy { $0.x < place.x && abs($0.y - place.y) < 6 })
      #expect((sample.attributes["stroke-dasharray"] != nil) == (series.style == .dashed))
    }
    #expect(plot.x > corner.x && plot.y > corner.y && plot.y + plotSize.y < corner.y + size.y)
  }

  @Test("Colours of series differ")
  func colours() {
    #expect(Set(LineChart.colours).count == LineChart.colours.count && LineChart.colours.count > 8)
  }
}
