import com.fasterxml.jackson.databind.ObjectMapper;
import ducat.ApiClient;
import ducat.ApiException;
import ducat.api.AccountsApi;
import ducat.api.AdminApi;
import ducat.api.CreditsApi;
import ducat.api.GenerationsApi;
import ducat.model.AdjustCredits;
import ducat.model.Balance;
import ducat.model.CaptureHold;
import ducat.model.ConsumeCredits;
import ducat.model.CreateAccount;
import ducat.model.CreateGeneration;
import ducat.model.CreateHold;
import ducat.model.Estimate;
import ducat.model.Generation;
import ducat.model.GenerationPage;
import ducat.model.Hold;
import ducat.model.Input;
import ducat.model.Item;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** Asks a running API through the generated client, and writes what it understood as JSON. */
class Talk {
  private final Map<String, Object> told = new LinkedHashMap<>();
  private final ApiClient client = new ApiClient();

  public static void main(String[] args) throws Exception {
    new Talk(Integer.parseInt(args[0]), args[1]).run(args[2]);
  }

  private Talk(int port, String key) {
    client.setScheme("http").setHost("127.0.0.1").setPort(port).setBasePath("");
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
  }

  private void run(String name) throws Exception {
    String account =
        new AccountsApi(client).createAccount(new CreateAccount().externalId(name)).getExternalId();
    told.put("account", account);
    // More than 32 bits hold.
    AdjustCredits gift = new AdjustCredits().amount(5_000_000_000L).reason("A test");
    told.put("gift", new AdminApi(client).adminAdjustCredits("gift", account, gift).getAmount());
    spend(account);
    generate(account);
    System.out.println(new ObjectMapper().writeValueAsString(told));
  }

  private void spend(String account) throws ApiException {
    CreditsApi credits = new CreditsApi(client);
    Hold hold = credits.createHold("hold", new CreateHold().amount(2L), account);
    told.put("hold", hold.getStatus().getValue());
    Hold captured = credits.captureHold(hold.getId(), new CaptureHold().amount(1L), account);
    told.put("captured", captured.getCaptured());
    told.put("released", captured.getReleased());
    Balance balance = credits.getBalance(account);
    told.put("available", balance.getAvailable());
    // A member that is null.
    told.put("period", balance.getPeriod());
    told.put("ledger", credits
        .listTransactions(account, "usage,adjustment", null, null, null, null, null, null, null,
            null, 10, "true", null)
        .getData().stream().map(one -> one.getAmount()).collect(Collectors.toList()));
    try {
      credits.consumeCredits("all", new ConsumeCredits().amount(900_000_000_000L), account);
    } catch (ApiException refusal) {
      told.put("refused", refusal.getCode());
      told.put("code", refusal.getResponseBody().replaceAll(".*\"code\":\"(\\w+)\".*", "$1"));
    }
  }

  private void generate(String account) throws ApiException {
    GenerationsApi generations = new GenerationsApi(client);
    Input input = new Input().type(Input.TypeEnum.TEXT).prompt("A garden");
    CreateGeneration order = new CreateGeneration().style("modern_minimalist").input(input).n(2);
    Estimate estimate = generations.estimateGeneration(order, account);
    told.put("estimate", estimate.getItems());
    told.put("unit", estimate.getPrice().getUnit());
    Generation made = generations.createGeneration("order", order, account, null);
    Generation again = generations.createGeneration("order", order, account, null);
    told.put("same", made.getId().equals(again.getId()));
    told.put("completed", made.getCompletedAt());
    Item item = generations.cancelGeneration(made.getId(), account).getItems().get(1);
    told.put("item", item.getStatus().getValue());
    told.put("output", item.getOutput());
    GenerationPage page =
        generations.listGenerations(account, "canceled", null, null, null, null, 5, "true");
    told.put("total", page.getTotal());
    told.put("listed", page.getData().get(0).getId().equals(made.getId()));
    told.put("input", page.getData().get(0).getInput());
  }
}
