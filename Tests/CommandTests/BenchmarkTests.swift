import Foundation
import Testing

extension CommandTests {
  @Suite struct BenchmarkTests {
    @Test func countsWhatItCompares() throws {
      let run = try Command.run(
        ["benchmark", "--images", "501", "--components", "40", "--json"], ranks: 2)
      #expect(run.status == 0, "\(run.text)")
      let json = try #require(
        try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
      func number(_ name: String) throws -> Double {
        try #require((json[name] as? NSNumber)?.doubleValue, "\(name)")
      }
      #expect(try number("pairs") == 501 * 500 / 2)
      #expect(try number("ranks") == 2 && number("cores") == 2)
      // Four products of complex numbers at least, two operations each.
      #expect(try number("operations_per_pair") > 8 * 40)
      let rate = try number("pairs") / number("seconds") / 2
      #expect(try abs(number("pairs_per_second_and_core") - rate) < 1e-6 * rate)
      let share =
        try rate * number("operations_per_pair") / 1e9
        / number("matrix_product_gigaflops_per_core")
      #expect(try abs(number("share_of_matrix_product") - share) < 1e-6 * share)
      #expect((json["busy_seconds"] as? [Any])?.count == 2)
    }

    @Test func mistakesAreRefused() throws {
      let run = try Command.run(["benchmark", "--images", "1"])
      #expect(run.status != 0 && run.errors.count == 1)
      #expect(run.errors.first?.contains("--images is 1") == true, "\(run.text)")
    }
  }
}
