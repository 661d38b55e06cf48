import Foundation
import TestSupport
import Testing

@testable import ClassAveraging

@Suite struct LogisticRegressionTests {
  private typealias Row = LogisticRegression.Row

  private func row(_ regressors: [Double]) -> Row {
    var row = Row.zero
    row[0] = 1
    for (i, value) in regressors.enumerated() { row[i + 1] = value }
    return row
  }

  private func fit(_ cases: [[Double]], _ outcomes: [Bool]) throws -> LogisticRegression {
    try LogisticRegression(
      cases.map(row), isTrue: outcomes, width: cases.first?.count ?? 0)
  }

  /// Each regressor less its mean, over its root mean square deviation.
  private func standardised(_ cases: [[Double]]) -> [[Double]] {
    let count = Double(cases.count)
    let columns = cases[0].indices.map { i -> [Double] in
      let column = cases.map { $0[i] }
      let mean = column.reduce(0, +) / count
      let deviation = (column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
      return column.map { ($0 - mean) / deviation }
    }
    return cases.indices.map { at in columns.map { $0[at] } }
  }

  /// What is largest at the coefficients: the log probability of the outcomes, less half of each coefficient's square.
  private func quality(_ c: [Double], _ cases: [[Double]], _ outcomes: [Bool]) -> Double {
    var sum = c.reduce(0) { $0 - $1 * $1 / 2 }
    for (regressors, isTrue) in zip(cases, outcomes) {
      let t = zip(regressors, c.dropFirst()).reduce(c[0]) { $0 + $1.0 * $1.1 }
      sum -= log(1 + exp(isTrue ? -t : t))
    }
    return sum
  }

  /// The best point of a grid of five values a coefficient, which closes in on it.
  private func maximum(_ cases: [[Double]], _ outcomes: [Bool]) -> [Double] {
    let dimension = cases[0].count + 1
    var centre = [Double](repeating: 0, count: dimension)
    var step = 4.0
    while step > 1e-7 {
      let points = (0..<Int(pow(5.0, Double(dimension)))).map { number in
        var rest = number
        return centre.map { value in
          defer { rest /= 5 }
          return value + step * Double(rest % 5 - 2)
        }
      }
      let best = points.max {
        quality($0, cases, outcomes) < quality($1, cases, outcomes)
      }!
      // Only where the best one is inside the grid is it known to within a step.
      if zip(best, centre).allSatisfy({ abs($0 - $1) < 1.5 * step }) { step /= 2 }
      centre = best
    }
    return centre
  }

  @Test("The coefficients are those of the largest posterior probability", arguments: [1, 2])
  func directMaximum(width: Int) throws {
    let count = 60
    let numbers = randomNormals(count * (width + 1), seed: 11)
    let cases = (0..<count).map { at in
      // Far from standardised.
      (0..<width).map { 40 + pow(10, Double($0)) * numbers[at * (width + 1) + $0] }
    }
    let outcomes = cases.indices.map { at in
      cases[at][0] - 40.5 + 0.8 * numbers[at * (width + 1) + width] > 0
    }
    let model = try fit(cases, outcomes)
    let expected = maximum(standardised(cases), outcomes)
    #expect(expected[0] < -0.2 && expected[1] > 1)
    for (i, c) in expected.enumerated() {
      #expect(abs(model.coefficients[i] - c) < 1e-5, "coefficient \(i)")
    }
    for i in expected.count..<Row.scalarCount { #expect(model.coefficients[i] == 0) }
    for (regressors, standard) in zip(cases, standardised(cases)) {
      let odds = zip(standard, expected.dropFirst()).reduce(expected[0]) { $0 + $1.0 * $1.1 }
      #expect(abs(model.logOdds(row(regressors)) - odds) < 1e-4)
    }
  }

  /// At the maximum the slope is zero: sum over the cases of (outcome - p) r_i = c_i. It is the only such point.
  @Test("The slope is zero with as many regressors as there is room for")
  func stationary() throws {
    let (count, width) = (300, Row.scalarCount - 1)
    let numbers = randomNormals(count * width, seed: 12)
    let cases = (0..<count).map { at in
      (0..<width).map { Double($0) - numbers[at * width + $0] }
    }
    let outcomes = cases.map { $0[3] + 2 * $0[7] - $0[14] < 4 }
    let model = try fit(cases, outcomes)
    var slope = [Double](repeating: 0, count: width + 1)
    for (at, standard) in standardised(cases).enumerated() {
      let p = 1 / (1 + exp(-model.logOdds(row(cases[at]))))
      let rest = (outcomes[at] ? 1 : 0) - p
      for (i, value) in ([1] + standard).enumerated() { slope[i] += rest * value }
    }
    for (i, value) in slope.enumerated() {
      #expect(abs(value - model.coefficients[i]) < 1e-7, "coefficient \(i)")
    }
    #expect(model.coefficients[8] < -1 && model.coefficients[15] > 0.5)
  }

  @Test("Cases that a threshold separates have finite odds, those of the largest probability")
  func separable() throws {
    let cases = (0..<40).map { [Double($0)] }
    let outcomes = cases.map { $0[0] > 12.5 }
    let model = try fit(cases, outcomes)
    let expected = maximum(standardised(cases), outcomes)
    #expect(abs(model.coefficients[0] - expected[0]) < 1e-5)
    #expect(abs(model.coefficients[1] - expected[1]) < 1e-5)
    #expect(model.logOdds(row([0])) < -2 && model.logOdds(row([39])) > 3)
    #expect(abs(model.logOdds(row([12.5]))) < 0.5)
  }

  /// Without a regressor that says anything, c is where n - n / (1 + e^-c) = c for n cases that are all true.
  @Test("The same outcome everywhere", arguments: [1, 10, 1000])
  func sameOutcome(count: Int) throws {
    let cases = (0..<count).map { [Double($0)] }
    let always = try fit(cases, .init(repeating: true, count: count))
    let never = try fit(cases, .init(repeating: false, count: count))
    let c = always.coefficients[0]
    #expect(c > 0.3 && abs(Double(count) / (1 + exp(c)) - c) < 1e-9)
    #expect(abs(never.coefficients[0] + c) < 1e-9)
    #expect(abs(always.coefficients[1]) < 1e-9 && abs(never.coefficients[1]) < 1e-9)
  }

  @Test("Without cases, and with as many true ones as others, nothing is known")
  func nothingKnown() throws {
    let empty = try LogisticRegression([], isTrue: [], width: 3)
    #expect(empty.coefficients == .zero && empty.logOdds(row([3, -2, 8])) == 0)
    let even = try fit([[1], [1], [2], [2]], [true, false, true, false])
    #expect(abs(even.logOdds(row([1]))) < 1e-12 && abs(even.logOdds(row([5]))) < 1e-12)
  }

  /// 0.1 has no exact mean: ten of them add up to less than 1.
  @Test(
    "A regressor that is the same everywhere decides nothing", arguments: [0, 2, 0.1, 1e-7],
    [10, 20_000])
  func constantRegressor(value: Double, count: Int) throws {
    let numbers = randomNormals(count, seed: 13)
    let outcomes = numbers.indices.map { $0 % 3 != 0 }
    let alone = try fit(numbers.map { [$0] }, outcomes)
    let both = try fit(numbers.map { [$0, value] }, outcomes)
    for i in 0...1 { #expect(abs(both.coefficients[i] - alone.coefficients[i]) < 1e-9) }
    #expect(abs(both.coefficients[2]) < 1e-9)
    for other in [value, value + 1] {
      #expect(abs(both.logOdds(row([0.5, other])) - alone.logOdds(row([0.5]))) < 1e-9)
    }
  }

  @Test("The units of a regressor do not matter")
  func units() throws {
    let numbers = randomNormals(50, seed: 14)
    let outcomes = numbers.indices.map { numbers[$0] + numbers[($0 + 1) % 50] > 0.3 }
    let plain = try fit(numbers.map { [$0] }, outcomes)
    let scaled = try fit(numbers.map { [-1e4 * $0 + 7e5] }, outcomes)
    for x in [-2, 0, 0.4] {
      #expect(abs(plain.logOdds(row([x])) - scaled.logOdds(row([-1e4 * x + 7e5]))) < 1e-8)
    }
  }
}
